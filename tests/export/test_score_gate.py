"""The gate of classifiers, before graphs that are right and graphs that are wrong in one way each."""

from pathlib import Path

import numpy as np
import pytest

from bundle.manifest import Precision, TaskMetric, Tolerances
from export import score_gate
from export.errors import ExportError
from export.figures import refuse_below
from export.gates import Verdict
from export.runner import Run, Vectors, embed
from export.score_gate import HeldOut, ScoreGate
from features.labels import Label, LabelSet
from features.ngrams import IDS, NgramConfig, NgramFeatures
from features.rows import Feed
from training.classifier_config import Floors

FEATURES = NgramFeatures(NgramConfig(bits=8, words=(1,)))
LABELS = LabelSet(labels=[Label(label=key, name=key) for key in ("red", "green", "blue")], top_1_fallback=False)
TEXTS = [f"{'red ' * (at % 2)}{'green ' * (at % 3 == 0)}{'blue ' * (at % 5 < 2)}word{at}" for at in range(60)]
BUCKETS = [int(FEATURES.encode([label.label])[0].arrays[IDS][0]) for label in LABELS.labels]
LONGER = np.float32(1e-6)


def right(feed: Feed) -> Vectors:
    """Score .9 for a label whose word is in the text, else .1."""
    real = feed.inputs["ngram_weights"] > 0
    there = [((feed.inputs[IDS] == bucket) & real).any(axis=1) for bucket in BUCKETS]
    return np.where(np.stack(there, axis=1), 0.9, 0.1).astype(np.float32)


TRUTH = np.concatenate([right(FEATURES.collate([row])) for row in FEATURES.encode(TEXTS)]) > 0.5


def gate_of(reference: Run = right, limits: Tolerances | None = None) -> ScoreGate:
    held_out = HeldOut(TEXTS, TRUTH, embed(reference, FEATURES, TEXTS), "60 made-up rows")
    return ScoreGate(reference, FEATURES, TEXTS, held_out, LABELS, limits or Tolerances())


def check(run: Run, monkeypatch: pytest.MonkeyPatch, max_abs: float = 1e-4, probes: int | None = None) -> Verdict:
    monkeypatch.setattr(score_gate, "run_graph", lambda path: run)
    return gate_of().check(Precision.FP32, Path("graph.onnx"), max_abs, probes)


def test_a_graph_that_gives_the_same_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = check(lambda feed: right(feed) + LONGER, monkeypatch)
    assert verdict.passed, verdict.failures
    assert (verdict.metric.name, verdict.metric.value, verdict.metric_drop) == ("micro_f1", 1.0, 0.0)
    assert verdict.parity.max_abs == pytest.approx(1e-6, abs=2e-7)


def test_a_graph_that_is_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = check(lambda feed: right(feed) + np.float32(2e-3), monkeypatch)
    assert verdict.failures == ("a score is 0.002 off PyTorch's, at most 0.0001 is allowed",)
    assert check(lambda feed: right(feed) + np.float32(2e-3), monkeypatch, max_abs=0.01).passed


def test_a_graph_whose_scores_depend_on_the_batch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaking(feed: Feed) -> Vectors:
        return right(feed) + np.float32(0.004) * (feed.rows > 1)

    verdict = check(leaking, monkeypatch, max_abs=0.1)
    assert verdict.failures == ("a score alone is 0.004 off the one in a batch, at most 0.0001 is allowed",)


def test_a_graph_that_decides_worse_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(feed: Feed) -> Vectors:
        return right(feed) * np.array([1, 1, 0.5], np.float32)

    verdict = check(forgetful, monkeypatch, max_abs=1.0)
    assert len(verdict.failures) == 1
    assert "of micro_f1 is lost, at most 0.50% is allowed" in verdict.failures[0]
    assert verdict.metric_drop > 0.1


def test_a_graph_that_gives_no_numbers_fails_everything_that_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = check(lambda feed: right(feed) * np.float32(np.nan), monkeypatch)
    assert len(verdict.failures) == 4


def test_with_few_probes_the_task_is_not_measured_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = check(right, monkeypatch, probes=8)
    assert verdict.parity.rows == 8
    assert verdict.metric.protocol == "not measured for this precision; PyTorch: 60 made-up rows"


def test_a_classifier_below_a_floor_is_refused_with_the_floor_s_name() -> None:
    values = {"micro_f1": 0.61, "macro_f1": 0.4}
    figures = [TaskMetric(name=name, value=value, protocol="60 made-up rows") for name, value in values.items()]
    refuse_below(Floors(micro_f1=0.61, macro_f1=0.4).model_dump(), figures, "export.floors")
    with pytest.raises(ExportError, match=r"micro_f1 is 0\.6100, below its floor of 0.7 \(60 made-up rows\)"):
        refuse_below(Floors(micro_f1=0.7).model_dump(), figures, "export.floors")
    with pytest.raises(ExportError, match=r"macro_f1 is 0\.4000, .* lower export\.sample_floors\.macro_f1"):
        refuse_below(Floors(macro_f1=0.41).model_dump(), figures, "export.sample_floors")
    no_number = [TaskMetric(name="micro_f1", value=float("nan"), protocol="none")]
    with pytest.raises(ExportError, match="micro_f1 is nan, below its floor of 0 "):
        refuse_below(Floors().model_dump(), no_number, "export.floors")
