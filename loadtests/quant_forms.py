"""Eight-bit forms of the default encoder side by side: speed, dependence on the batch, closeness, ranking kept.

    python -m loadtests.quant_forms [--forms fused row8 ...] [--threads 1 2] [--rounds 7] [--json FILE]

Speeds are ratios to the fused fp32 graph: within one process each shape is run by all forms in turn, `--rounds` times,
and the ratio is that of the medians, because the speed of a shared machine drifts. The rank correlation is taken on
real papers when JUBAKO_DATA_DIR is set, else on generated sentences, with a 95% interval of its loss by resampling
pairs.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from bundle.manifest import Tolerances
from export.config import read_config
from export.fuse import Shape, fuse_for_cpu, fuse_for_int8
from export.gates import Gate
from export.onnx_graph import export_with_optimum
from export.probes import probe_texts
from export.quantize import quantise
from export.rowwise import Recipe, find_sites, quantise_sites
from export.runner import Vectors, embed, run_graph, run_module
from export.similarity import SimilarityTask, load_task
from features.rows import Feed
from features.text import TextTokenizer
from models.checkpoint import read_checkpoint
from models.source import resolve
from models.text import SentenceEncoder
from models.tokenizer import write_tokenizer

SHAPES = ((1, 16), (1, 64), (1, 256), (8, 32), (8, 128), (32, 64))
"""Rows and tokens of the timed batches, without padding."""

ROUND_S = 0.12
"""A round repeats a shape until the baseline has taken about this long."""

Make = Callable[["Material", Path], object]


@dataclass(frozen=True)
class Material:
    """What forms are made from."""

    fp32: Path
    fused: Path
    plain: Path
    """fp32 with GELU and layer normalisation fused and every projection a MatMul."""
    batches: list[Feed]


@dataclass
class Result:
    """What was measured of one form."""

    form: str
    megabytes: float
    mean_cosine: float
    min_cosine: float
    invariance: float
    metric: float
    drop: float
    drop_interval: tuple[float, float]
    speed: dict[str, float] = field(default_factory=dict)
    """Ratio to fused fp32 by `threads x rows x tokens`."""


def make_dynamic(material: Material, target: Path) -> None:
    """ONNX Runtime's dynamic quantisation: one activation scale for a whole batch."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        material.fp32, target, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"],
    )  # fmt: skip


def make_static(material: Material, target: Path) -> None:
    """ONNX Runtime's static QDQ with min-max calibration, weights per channel."""
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._feeds = iter(batch.inputs for batch in material.batches)

        def get_next(self) -> dict[str, NDArray[np.int64]] | None:
            return next(self._feeds, None)

    quantize_static(
        material.fp32, target, Reader(), per_channel=True, op_types_to_quantize=["MatMul"],
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
        extra_options={"MatMulConstBOnly": True},
    )  # fmt: skip


def weight_only(block: int) -> Make:
    """Return the maker of MatMulNBits with 8-bit weights in blocks of `block`, int8 compute (accuracy level 4)."""

    def make(material: Material, target: Path) -> None:
        from onnxruntime.quantization.matmul_nbits_quantizer import (
            DefaultWeightOnlyQuantConfig,
            MatMulNBitsQuantizer,
        )

        config = DefaultWeightOnlyQuantConfig(block_size=block, is_symmetric=True, accuracy_level=4, bits=8)
        quantizer = MatMulNBitsQuantizer(onnx.load(material.plain), algo_config=config)
        quantizer.process()
        quantizer.model.save_model_to_file(str(target))

    return make


def make_row8_plain(material: Material, target: Path) -> None:
    """One scale per token, without smoothing and with zero at 128 everywhere."""
    model = onnx.load(material.plain)
    recipes = {site.activation: (site, Recipe(None, 128)) for site in find_sites(model)}
    onnx.save(quantise_sites(model, recipes, bits=8), target)


def row8(bits: int) -> Make:
    """Return the maker of the form that ships, with weights of `bits` bits."""
    return lambda material, target: quantise(material.plain, target, material.batches, bits)


FORMS: dict[str, Make] = {
    "fused": lambda material, target: target.symlink_to(material.fused),
    "ort-dynamic": make_dynamic,
    "ort-static-minmax": make_static,
    "nbits8-block32": weight_only(32),
    "nbits8-block128": weight_only(128),
    "row8-plain": make_row8_plain,
    "row8": row8(8),
    "row8-7bit": row8(7),
}


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        root = Path(folder)
        material, gate, task, tokenizer = prepare(root)
        files = {form: root / f"{form}.onnx" for form in ["fused", *arguments.forms]}
        for form, path in files.items():
            FORMS[form](material, path)
        results = [quality(form, path, gate, task, tokenizer) for form, path in files.items()]
        for threads in arguments.threads:
            time_forms(files, {result.form: result for result in results}, threads, arguments.rounds)
    print("\n".join(table(results, task.protocol)))
    if arguments.json:
        record = {"machine": machine(), "protocol": task.protocol, "results": [asdict(result) for result in results]}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n")


def prepare(root: Path) -> tuple[Material, Gate, SimilarityTask, TextTokenizer]:
    """Export the default encoder and set up what it is judged by."""
    config = read_config()
    checkpoint = read_checkpoint(resolve(config.source).root)
    encoder = SentenceEncoder.load(checkpoint)
    tokenizer = write_tokenizer(checkpoint, root)
    fp32, fused, plain = root / "fp32.onnx", root / "best.onnx", root / "plain.onnx"
    export_with_optimum(encoder, fp32)
    shape = Shape.of(encoder.config)
    fuse_for_cpu(fp32, fused, shape)
    fuse_for_int8(fp32, plain, shape)
    rows = sorted(tokenizer.encode(probe_texts(config.calibration_texts, config.seed + 1)), key=len)
    batches = [tokenizer.collate(rows[start : start + 8]) for start in range(0, len(rows), 8)]
    task = load_task()
    anything = Tolerances(metric_drop=2.0, batch_invariance_min_cosine=-1.0)
    gate = Gate(run_module(encoder), tokenizer, probe_texts(160), task, anything)
    return Material(fp32, fused, plain, batches), gate, task, tokenizer


def quality(form: str, path: Path, gate: Gate, task: SimilarityTask, tokenizer: TextTokenizer) -> Result:
    """Measure everything but speed."""
    verdict = gate.check(path, min_cosine=-1.0, with_task=False)
    vectors = embed(run_graph(path), tokenizer, task.texts)
    score = task.score(vectors).value
    drop = (gate.baseline.value - score) / gate.baseline.value
    return Result(
        form, path.stat().st_size / 1e6, verdict.parity.mean_cosine, verdict.parity.min_cosine,
        verdict.batch_invariance, score, drop, _interval(gate, task, vectors),
    )  # fmt: skip


def _interval(gate: Gate, task: SimilarityTask, vectors: Vectors, samples: int = 300) -> tuple[float, float]:
    """Return the 95% bootstrap interval of the relative loss, over pairs; form and reference share each sample."""
    reference = gate.task_vectors
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(samples):
        at = rng.integers(0, len(task.grades), len(task.grades))
        sample = replace(task, left=task.left[at], right=task.right[at], grades=task.grades[at])
        whole = sample.score(reference).value
        losses.append((whole - sample.score(vectors).value) / whole)
    low, high = np.quantile(losses, [0.025, 0.975])
    return float(low), float(high)


def time_forms(files: dict[str, Path], results: dict[str, Result], threads: int, rounds: int) -> None:
    """Fill in the speed of every form at `threads` threads, all forms taking turns."""
    sessions = {form: _session(path, threads) for form, path in files.items()}
    for rows, tokens in SHAPES:
        ids = np.random.default_rng(0).integers(1000, 20000, (rows, tokens))
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        repeats = max(1, int(ROUND_S / _seconds(sessions["fused"], feed, 2)))
        spent: dict[str, list[float]] = {form: [] for form in sessions}
        for _ in range(rounds):
            for form, session in sessions.items():
                spent[form].append(_seconds(session, feed, repeats))
        base = float(np.median(spent["fused"]))
        for form, seconds in spent.items():
            results[form].speed[f"{threads}x{rows}x{tokens}"] = base / float(np.median(seconds))


def _session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _seconds(session: ort.InferenceSession, feed: dict[str, Any], repeats: int) -> float:
    session.run(None, feed)
    began = time.perf_counter()
    for _ in range(repeats):
        session.run(None, feed)
    return (time.perf_counter() - began) / repeats


def table(results: list[Result], protocol: str) -> Iterator[str]:
    """Yield the lines of a Markdown report."""
    yield f"{machine()}\n\nTask: {protocol}.\n"
    shapes = list(results[0].speed)
    yield (
        "| form | MB | cosine mean | min | alone vs batch, min | rank corr. | loss (95%) | " + " | ".join(shapes) + " |"
    )
    yield "|---|" + "---:|" * (6 + len(shapes))
    for result in results:
        low, high = result.drop_interval
        yield (
            f"| {result.form} | {result.megabytes:.1f} | {result.mean_cosine:.5f} | {result.min_cosine:.4f} "
            f"| {result.invariance:.5f} | {result.metric:.4f} | {result.drop:+.2%} ({low:+.2%} to {high:+.2%}) | "
            + " | ".join(f"{ratio:.2f}" for ratio in result.speed.values())
            + " |"
        )


def machine() -> str:
    """Describe processor and versions in one line."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    name = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    vnni = "VNNI" if flags & {"avx512_vnni", "avx_vnni"} else "no VNNI"
    cores = sum(line.startswith("processor") for line in lines)
    versions = f"ONNX Runtime {ort.__version__}, onnx {onnx.__version__}, torch {torch.__version__}"
    return f"{name}, {cores} cores, {vnni}; Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    main()
