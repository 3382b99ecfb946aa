"""A sentence encoder's way from its checkpoint to a bundle in the store. Read top to bottom.

source -> PyTorch module -> fp32 -> gate -> fused -> gate -> 8-bit -> gate -> fp16 -> gate -> bundle -> store

A pass that fails its gate is dropped and its reason recorded; what passed before it stays.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from bundle.bundle import Bundle, seal
from bundle.digest import describe_files
from bundle.golden import Golden
from bundle.manifest import Manifest, Precision, Provenance, Task
from bundle.store import save
from export.config import TextExportConfig, read_config
from export.errors import ExportError
from export.fuse import Shape, fuse_for_cpu, fuse_for_cuda, fuse_for_int8
from export.gates import Gate, Verdict
from export.half import to_half
from export.onnx_graph import EXPORTERS
from export.passes import Passes
from export.probes import probe_texts
from export.quantize import quantise
from export.runner import Run, embed, run_module
from export.similarity import load_task
from features.rows import Feed
from features.text import TextTokenizer
from models.checkpoint import Checkpoint, read_checkpoint
from models.errors import CheckpointError
from models.source import Source, resolve
from models.text import SentenceEncoder
from models.tokenizer import write_tokenizer
from training.steps import Steps

__all__ = ["TextExportConfig", "build_bundle", "export_text", "read_config"]

GOLDEN_TEXTS = ["", "a", "hello world", "数据", "été 😀", "The lacquer box holds three trays. " * 8, "long " * 400]
GOLDEN_GENERATED = 9


def export_text(config: TextExportConfig, steps: Steps | None = None) -> Bundle:
    """Export the encoder that `config` names and put its bundle into the model store.

    Raises:
        ExportError: the source is missing or unfit, or no exporter's fp32 graph agrees with PyTorch.
        BundleError: the store already has this name and version.
    """
    steps = steps or Steps()
    with TemporaryDirectory(prefix="jubako-export-") as folder:
        bundle = build_bundle(config, Path(folder), steps)
        with steps.step("store"):
            return save(bundle)


def build_bundle(config: TextExportConfig, root: Path, steps: Steps | None = None) -> Bundle:
    """Export into the empty folder `root` and return the sealed bundle; nothing is stored.

    Raises:
        ExportError: as for `export_text`.
    """
    steps = steps or Steps()
    try:
        with steps.step(f"source {config.source}"):
            source = resolve(config.source)
            checkpoint = read_checkpoint(source.root)
            encoder = SentenceEncoder.load(checkpoint)
            tokenizer = write_tokenizer(checkpoint, root, config.max_tokens)
        with steps.step("PyTorch reference"):
            gate = _gate(config, encoder, tokenizer)
    except CheckpointError as error:
        raise ExportError(str(error)) from error

    work = Passes(root / "graphs", partial(_check, gate, config), steps)
    shape = Shape.of(encoder.config)
    fp32 = _export_fp32(work, encoder)

    if Precision.FUSED in config.precisions:
        work.attempt(Precision.FUSED, lambda target, tick: fuse_for_cpu(fp32, target, shape))

    with TemporaryDirectory(prefix="jubako-passes-") as scratch:
        if Precision.INT8 in config.precisions:
            prepared = _prepared(fp32, Path(scratch) / "int8.onnx", shape, fuse_for_int8)
            batches = _calibration(config, tokenizer)
            work.attempt(
                Precision.INT8,
                lambda target, tick: quantise(prepared, target, batches, config.weight_bits, tick),
            )
        if Precision.FP16 in config.precisions:
            for_cuda = _prepared(fp32, Path(scratch) / "cuda.onnx", shape, fuse_for_cuda)
            work.attempt(Precision.FP16, lambda target, tick: to_half(for_cuda, target))

    with steps.step("bundle"):
        _write_golden(root, run_module(encoder), tokenizer, config)
        return seal(root, _manifest(root, config, source, checkpoint, encoder, tokenizer, gate, work))


def _gate(config: TextExportConfig, encoder: SentenceEncoder, tokenizer: TextTokenizer) -> Gate:
    probes = probe_texts(config.probe_texts, config.seed)
    task = load_task(config.seed)
    gate = Gate(run_module(encoder), tokenizer, probes, task, config.tolerances, config.matryoshka)
    if config.matryoshka and config.matryoshka[-1] >= (whole := gate.reference.shape[1]):
        raise ExportError(f"matryoshka: {config.matryoshka[-1]} is not below the checkpoint's {whole} dimensions")
    return gate


def _check(gate: Gate, config: TextExportConfig, precision: Precision, path: Path) -> Verdict:
    limits = config.tolerances
    if precision is Precision.FP16:
        return gate.check(path, limits.fp16_min_cosine, config.fp16_probe_texts, with_task=False)
    return gate.check(path, config.int8_min_cosine if precision is Precision.INT8 else limits.fp32_min_cosine)


def _export_fp32(work: Passes, encoder: SentenceEncoder) -> Path:
    for name, exporter in EXPORTERS.items():
        made = work.attempt(Precision.FP32, lambda target, tick, run=exporter: run(encoder, target), f" by {name}")  # type: ignore[misc]
        if made is not None:
            return made
    reasons = "; ".join(drop.reason for drop in work.dropped)
    raise ExportError(f"no fp32 graph agrees with PyTorch: {reasons}")


def _prepared(fp32: Path, target: Path, shape: Shape, fuse: Callable[[Path, Path, Shape], object]) -> Path:
    """Return the fused form of the fp32 graph that a reduced precision starts from, or fp32 itself."""
    try:
        fuse(fp32, target, shape)
    except ValueError:
        return fp32
    return target


def _calibration(config: TextExportConfig, tokenizer: TextTokenizer) -> list[Feed]:
    texts = probe_texts(config.calibration_texts, config.seed + 1)
    rows = sorted(tokenizer.encode(texts), key=len)
    return [tokenizer.collate(rows[start : start + 8]) for start in range(0, len(rows), 8)]


def _write_golden(root: Path, run: Run, tokenizer: TextTokenizer, config: TextExportConfig) -> None:
    texts = [*GOLDEN_TEXTS, *probe_texts(64, config.seed + 2)[:GOLDEN_GENERATED]]
    # NumPy's fixed-width strings end at the last character that is not null.
    texts = [text for text in texts if not text.endswith("\x00")]
    Golden(texts, embed(run, tokenizer, texts)).write(root)


def _manifest(
    root: Path, config: TextExportConfig, source: Source, checkpoint: Checkpoint, encoder: SentenceEncoder,
    tokenizer: TextTokenizer, gate: Gate, work: Passes,
) -> Manifest:  # fmt: skip
    created = datetime.now(UTC)
    similarity: Literal["cosine", "dot"] = "dot" if checkpoint.similarity == "dot" else "cosine"
    return Manifest(
        name=config.name,
        family="text",
        version=created.strftime("%Y%m%d-%H%M%S"),
        tasks=[Task.EMBED],
        created=created,
        provenance=Provenance(
            source=source.name,
            weights_sha256=source.weights_sha256,
            licence=config.licence,
            architecture=type(encoder.transformer).__name__,
            parameters=sum(parameter.numel() for parameter in encoder.parameters()),
        ),
        metrics=[gate.baseline],
        similarity=similarity,
        pooling=checkpoint.pooling,
        normalized=checkpoint.normalized,
        dimensions=gate.reference.shape[1],
        matryoshka=config.matryoshka,
        max_tokens=tokenizer.max_tokens,
        prompts=checkpoint.prompts,
        default_prompt=checkpoint.default_prompt,
        tolerances=config.tolerances,
        graphs=work.graphs,
        dropped=work.dropped,
        files=describe_files(root),
    )
