"""What fails is dropped with its reason; what passed before it stays."""

from pathlib import Path

import pytest

from bundle.manifest import Parity, Precision, Provider, TaskMetric
from export.gates import Verdict
from export.passes import REASON_CHARS, Make, Passes
from tests.trained import quiet


def verdict(*failures: str) -> Verdict:
    parity = Parity(reference="itself", rows=1, max_abs=0.0, min_cosine=1.0, mean_cosine=1.0)
    return Verdict(parity, 0.99999, TaskMetric(name="f1", value=0.7, protocol="none"), 0.01, failures)


def passes_of(folder: Path, **failures: str) -> Passes:
    """Return passes whose gate objects to the precisions of `failures`."""
    return Passes(
        folder,
        lambda precision, path: verdict(*[failures[precision]] if precision in failures else []),
        quiet(),
    )


def make(text: str) -> Make:
    return lambda target, tick: target.write_text(text)


def test_what_passes_is_recorded_with_its_measures(tmp_path: Path) -> None:
    work = passes_of(tmp_path / "graphs")
    path = work.attempt(Precision.FP32, make("fp32"))
    assert path == tmp_path / "graphs" / "encoder.fp32.onnx"
    [record] = work.graphs
    assert (record.file, record.metric_drop, record.batch_invariance) == ("graphs/encoder.fp32.onnx", 0.01, 0.99999)
    assert work.dropped == []


def test_what_fails_its_gate_is_dropped_and_what_passed_stays(tmp_path: Path) -> None:
    work = passes_of(tmp_path, int8="a score is 0.3 off")
    assert work.attempt(Precision.FP32, make("fp32")) is not None
    assert work.attempt(Precision.INT8, make("int8")) is None
    assert work.attempt(Precision.FP16, make("fp16")) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.fp16.onnx", "encoder.fp32.onnx"]
    assert [graph.precision for graph in work.graphs] == [Precision.FP32, Precision.FP16]
    assert [(one.precision, one.reason) for one in work.dropped] == [(Precision.INT8, "int8: a score is 0.3 off")]


def test_a_converter_that_raises_costs_its_own_pass_only(tmp_path: Path) -> None:
    def broken(target: Path, tick: object) -> None:
        target.write_text("half of it")
        raise ValueError("nothing matched " * 100)

    work = passes_of(tmp_path)
    work.attempt(Precision.FP32, make("fp32"))
    assert work.attempt(Precision.FUSED, broken, note=" again") is None
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.fp32.onnx"]
    [dropped] = work.dropped
    assert dropped.reason.startswith("fused again: ValueError: nothing matched")
    assert len(dropped.reason) == REASON_CHARS


def test_a_person_s_interrupt_is_no_failed_pass(tmp_path: Path) -> None:
    def interrupted(target: Path, tick: object) -> None:
        raise KeyboardInterrupt

    work = passes_of(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        work.attempt(Precision.FP32, interrupted)
    assert work.dropped == []


def test_half_precision_is_for_cuda_and_eight_bits_for_the_cpu(tmp_path: Path) -> None:
    work = passes_of(tmp_path)
    for precision in Precision:
        work.attempt(precision, make(precision))
    providers = {graph.precision: graph.providers for graph in work.graphs}
    assert providers[Precision.FP16] == [Provider.CUDA]
    assert providers[Precision.INT8] == [Provider.CPU]
    assert providers[Precision.FP32] == providers[Precision.FUSED] == [Provider.CPU, Provider.CUDA]
