"""Baselines: they learn what words tell, repeat themselves, and are decided like the model."""

import numpy as np
import pytest

from features.labels import Label, LabelSet
from training.baselines.prior import Prior
from training.baselines.run import Texts, run_baselines
from training.baselines.tfidf import TfidfBaseline, TfidfConfig
from training.decision.config import DecisionConfig
from training.decision.fit import fit_labels
from training.metrics.averages import micro_f1
from training.metrics.ranking import lrap

WORDS = ("dragon", "rocket", "corpse", "kiss")


def _texts(rows: int, seed: int) -> Texts:
    """Draw labels, each told by its word four times in five, among words that tell nothing."""
    rng = np.random.default_rng(seed)
    truth = rng.random((rows, len(WORDS))) < 0.3
    told = truth & (rng.random(truth.shape) < 0.8)
    texts = [
        " ".join(
            [*(word for word, said in zip(WORDS, row, strict=True) if said), *(f"w{n}" for n in rng.integers(0, 60, 8))]
        )
        for row in told
    ]
    return Texts(texts, truth)


def _labels() -> LabelSet:
    return LabelSet(labels=[Label(label=word, name=word.title()) for word in WORDS])


@pytest.fixture(scope="module")
def parts() -> tuple[Texts, Texts, Texts]:
    return _texts(600, 0), _texts(200, 1), _texts(200, 2)


def test_the_prior_scores_every_text_by_the_frequencies_of_training() -> None:
    prior = Prior.fit(np.array([[1, 0], [1, 0], [1, 1], [0, 0]], dtype=bool))
    assert prior.predict(["a", "b"]).tolist() == [[0.75, 0.25]] * 2


def test_tfidf_learns_the_words_and_fits_alike_every_time(parts: tuple[Texts, Texts, Texts]) -> None:
    train, validation, test = parts
    config = TfidfConfig(strengths=(0.01, 4.0))
    found = [
        TfidfBaseline.choose(train.texts, train.truth, validation.texts, validation.truth, config) for _ in range(2)
    ]
    assert found[0].strength == 4.0
    scores, again = (one.predict(test.texts) for one in found)
    np.testing.assert_array_equal(scores, again)
    assert scores.dtype == np.float32
    assert lrap(test.truth, scores) > 0.85 > lrap(test.truth, Prior.fit(train.truth).predict(test.texts))


def test_labels_that_all_or_no_training_rows_have_get_a_score_all_the_same(parts: tuple[Texts, Texts, Texts]) -> None:
    truth = parts[0].truth.copy()
    truth[:, 0], truth[:, 1] = False, True
    scores = TfidfBaseline(1.0, TfidfConfig()).fit(parts[0].texts, truth).predict(["dragon rocket", ""])
    np.testing.assert_allclose(scores[:, :2], [[0, 1], [0, 1]], atol=1e-6)


def test_more_labels_than_an_int8_counts_are_learnt_as_few_are(parts: tuple[Texts, Texts, Texts]) -> None:
    train, _, test = parts
    many = np.tile(train.truth, (1, 33))  # [rows, 132]
    scores = TfidfBaseline(1.0, TfidfConfig()).fit(train.texts, many).predict(test.texts)
    few = TfidfBaseline(1.0, TfidfConfig()).fit(train.texts, train.truth).predict(test.texts)
    np.testing.assert_allclose(scores[:, -4:], few, atol=1e-6)


def test_a_run_gives_all_baselines_decided_as_the_model_is(parts: tuple[Texts, Texts, Texts]) -> None:
    train, validation, test = parts
    decision = DecisionConfig(calibration="temperature")
    words, one, prior = run_baselines(train, validation, test, _labels(), decision, published_threshold=0.3)
    assert [candidate.name for candidate in (words, one, prior)] == ["tfidf_lr", "tfidf_lr_one_threshold", "prior"]
    regression = TfidfBaseline.choose(train.texts, train.truth, validation.texts, validation.truth)
    rule = fit_labels(regression.predict(validation.texts), validation.truth, _labels(), decision)
    assert words.label_set == rule
    assert words.validation["f1_micro"] > 0.7
    np.testing.assert_array_equal(one.assigned, words.scores >= np.float32(0.3))
    assert micro_f1(test.truth, words.assigned) > micro_f1(test.truth, prior.assigned) + 0.2
    assert len(np.unique(prior.assigned, axis=0)) == 1


def test_without_a_published_threshold_the_best_on_validation_is_taken(parts: tuple[Texts, Texts, Texts]) -> None:
    _, one, _ = run_baselines(*parts, _labels(), DecisionConfig(), TfidfConfig(strengths=(1.0,)))
    assert len({label.threshold for label in one.label_set.labels}) == 1
    assert "chosen on validation" in one.notes[0]
    assert one.label_set.calibration is None
