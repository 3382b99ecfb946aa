"""The whole way from a checkpoint to a bundle, on a tiny encoder with unusual settings."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from bundle.bundle import Bundle
from bundle.golden import cosine_rows
from bundle.manifest import Precision, Tolerances
from bundle.store import find
from export.config import TextExportConfig
from export.errors import ExportError
from export.gates import Gate
from export.half import weight_types
from export.probes import probe_texts
from export.runner import embed, run_graph
from export.text import build_bundle, export_text
from features.pipeline import TOKENIZER_FILE
from features.text import TextTokenizer
from models.text import SentenceEncoder


def _tokenizer(bundle: Bundle) -> TextTokenizer:
    return TextTokenizer(bundle.root / TOKENIZER_FILE, bundle.manifest.max_tokens)


def _path(bundle: Bundle, precision: Precision) -> Path:
    return next(bundle.path_of(graph) for graph in bundle.manifest.graphs if graph.precision is precision)


def test_bundle_is_complete_and_intact(exported: Bundle) -> None:
    exported.verify()
    assert (exported.root / "golden.npz").is_file()
    assert exported.manifest.graphs[0].precision is Precision.FP32


def test_manifest_carries_the_checkpoints_settings(exported: Bundle) -> None:
    manifest = exported.manifest
    assert (manifest.pooling, manifest.normalized, manifest.dimensions) == ("cls", False, 24)
    assert (manifest.max_tokens, manifest.prompts, manifest.default_prompt) == (40, {"query": "find: "}, "query")
    assert manifest.similarity == "dot"
    assert manifest.matryoshka == [8, 16]


def test_parity_is_of_cut_vectors_too(exported: Bundle) -> None:
    for graph in exported.manifest.graphs:
        outputs = embed(run_graph(exported.path_of(graph)), _tokenizer(exported), exported.golden.inputs)
        exported.golden.check(outputs, graph.parity.min_cosine - 0.005, exported.manifest.matryoshka)


def test_a_matryoshka_size_that_the_checkpoint_does_not_reach_is_refused(
    config: TextExportConfig, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="matryoshka: 24 is not below the checkpoint's 24 dimensions"):
        build_bundle(config.model_copy(update={"matryoshka": [8, 24]}), tmp_path)


def test_fp32_graph_agrees_with_sentence_transformers(exported: Bundle, encoder_folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = probe_texts(128, seed=9)
    ours = embed(run_graph(_path(exported, Precision.FP32)), _tokenizer(exported), texts)
    theirs = SentenceTransformer(str(encoder_folder), device="cpu").encode(texts, prompt="", show_progress_bar=False)
    assert cosine_rows(ours, theirs).min() >= 0.9999
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_prompt_in_front_of_the_text_agrees_with_sentence_transformers(exported: Bundle, encoder_folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["A violin", "two physicists"]
    prompt = exported.manifest.prompts["query"]
    ours = embed(run_graph(_path(exported, Precision.FP32)), _tokenizer(exported), [prompt + text for text in texts])
    theirs = SentenceTransformer(str(encoder_folder), device="cpu").encode(texts, prompt_name="query")
    assert cosine_rows(ours, theirs).min() >= 0.9999


def test_golden_vectors_hold_on_every_cpu_graph(exported: Bundle) -> None:
    golden, tokenizer = exported.golden, _tokenizer(exported)
    for graph in exported.manifest.graphs:
        if graph.precision in (Precision.FP32, Precision.FUSED):
            golden.check(embed(run_graph(exported.path_of(graph)), tokenizer, golden.inputs), 0.9999)


def test_every_graph_is_accounted_for(exported: Bundle) -> None:
    kept = {graph.precision for graph in exported.manifest.graphs}
    dropped = {drop.precision for drop in exported.manifest.dropped}
    assert kept | dropped == set(Precision)
    assert {path.name for path in (exported.root / "graphs").iterdir()} == {f"encoder.{name}.onnx" for name in kept}


def test_no_precision_of_the_tiny_encoder_is_dropped(exported: Bundle) -> None:
    assert not exported.manifest.dropped


def test_fp16_graph_holds_fp16_weights_and_answers_in_float32(exported: Bundle) -> None:
    model = onnx.load(_path(exported, Precision.FP16))
    counts = weight_types(model)
    assert counts["float16"] > 0.95 * counts.total()
    assert model.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_graphs_take_any_batch_and_any_length(exported: Bundle) -> None:
    graph = onnx.load(_path(exported, Precision.FP32)).graph
    axes = [[axis.dim_param for axis in value.type.tensor_type.shape.dim] for value in graph.input]
    assert axes == [["batch", "tokens"], ["batch", "tokens"]]


def test_a_pass_that_fails_its_gate_is_dropped_with_its_reason(config: TextExportConfig, tmp_path: Path) -> None:
    strict = config.model_copy(update={"int8_min_cosine": 1.01, "precisions": [Precision.INT8]})
    bundle = build_bundle(strict, tmp_path)
    assert [graph.precision for graph in bundle.manifest.graphs] == [Precision.FP32]
    assert [drop.precision for drop in bundle.manifest.dropped] == [Precision.INT8]
    assert "1.01 is required" in bundle.manifest.dropped[0].reason
    bundle.verify()


def test_a_converter_that_raises_costs_its_own_pass_only(
    config: TextExportConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*arguments: object) -> None:
        raise RuntimeError("no such pattern")

    monkeypatch.setattr("export.text.fuse_for_cpu", explode)
    bundle = build_bundle(config.model_copy(update={"precisions": [Precision.FUSED]}), tmp_path)
    assert bundle.manifest.dropped[0].reason == "fused: RuntimeError: no such pattern"


def test_the_second_exporter_is_used_when_the_first_fails(
    config: TextExportConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(encoder: SentenceEncoder, path: Path) -> None:
        raise RuntimeError("unknown operator")

    from export.onnx_graph import EXPORTERS

    monkeypatch.setitem(EXPORTERS, "optimum", explode)
    bundle = build_bundle(config.model_copy(update={"precisions": []}), tmp_path)
    assert bundle.manifest.graphs[0].parity.min_cosine >= 0.9999
    assert "fp32 by optimum: RuntimeError" in bundle.manifest.dropped[0].reason


def test_export_stops_when_no_graph_agrees_with_pytorch(config: TextExportConfig, tmp_path: Path) -> None:
    impossible = config.model_copy(update={"tolerances": Tolerances(fp32_min_cosine=1.01)})
    with pytest.raises(ExportError, match="no fp32 graph agrees with PyTorch"):
        build_bundle(impossible, tmp_path)


def test_export_puts_the_bundle_into_the_store(config: TextExportConfig) -> None:
    bundle = export_text(config.model_copy(update={"name": "stored-one", "precisions": []}))
    assert find("stored-one").manifest == bundle.manifest


def test_gate_refuses_another_models_graph(exported: Bundle, config: TextExportConfig, tmp_path: Path) -> None:
    """A gate that cannot fail is worth nothing: a graph with one weight matrix changed must not pass."""
    from export.runner import run_module
    from export.similarity import generated_task
    from models.checkpoint import read_checkpoint

    encoder = SentenceEncoder.load(read_checkpoint(Path(config.source)))
    gate = Gate(run_module(encoder), _tokenizer(exported), probe_texts(64), generated_task(scenes=10), Tolerances())
    good = _path(exported, Precision.FP32)
    assert gate.check(good, 0.9999).passed
    model = onnx.load(good)
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = onnx.numpy_helper.to_array(largest)
    largest.CopyFrom(onnx.numpy_helper.from_array(np.roll(values, 1, axis=0), largest.name))
    onnx.save(model, tmp_path / "bad.onnx")
    verdict = gate.check(tmp_path / "bad.onnx", 0.9999)
    assert not verdict.passed
    assert "smallest cosine to PyTorch" in verdict.failures[0]
