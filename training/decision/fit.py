"""Fitting the whole rule, and an honest estimate of what it is worth."""

from dataclasses import dataclass

import numpy as np

from features.labels import Calibration, LabelSet
from training.decision.ascent import Ascent
from training.decision.config import DecisionConfig
from training.decision.isotonic import fit_isotonic
from training.decision.objective import best_global, objective
from training.decision.temperature import fit_temperature
from training.metrics.arrays import Assigned, Scores, Truth, Values

DEFAULT_THRESHOLD = 0.5
DIGITS = 6


@dataclass(frozen=True)
class CrossFitted:
    """Calibrated scores and decisions of validation rows, each by a rule that was fitted without that row."""

    scores: Scores
    assigned: Assigned


def fit_labels(scores: Scores, truth: Truth, label_set: LabelSet, config: DecisionConfig) -> LabelSet:
    """Fit calibration and thresholds on a model's scores of validation rows, [rows, labels].

    On these rows the fitted thresholds are never worse, by the configured objective and through the whole rule, than
    one threshold for all, nor that than .5.

    Raises:
        ValueError: There are no rows, or the shapes do not fit the labels.
    """
    if not len(scores) or scores.shape != truth.shape or scores.shape[1] != len(label_set.labels):
        raise ValueError(
            f"a rule for {len(label_set.labels)} labels is fitted on scores and truth [rows, labels]; "
            f"got {scores.shape} and {truth.shape}"
        )
    calibration = _calibration(scores, truth, config)
    calibrated = label_set.with_decision(calibration, _same(label_set, DEFAULT_THRESHOLD)).calibrate(scores)
    candidates = _thresholds(calibrated, truth, label_set, config)
    rules = [label_set.with_decision(calibration, np.round(found, DIGITS).tolist()) for found in candidates]
    return max(rules, key=lambda rule: objective(calibrated, truth, rule, config.micro_share))


def cross_fit(
    scores: Scores, truth: Truth, label_set: LabelSet, config: DecisionConfig, folds: int = 5, seed: int = 0
) -> CrossFitted:
    """Decide each validation row by a rule fitted on the other folds: figures of it are not flattered by the fit."""
    if not 2 <= folds <= len(scores):
        raise ValueError(f"{len(scores)} rows cannot be cut into {folds} folds; use 2 folds or more, and as many rows")
    fold = np.random.default_rng(seed).permutation(len(scores)) % folds  # [rows]
    calibrated, assigned = np.empty_like(scores, dtype=np.float32), np.empty(truth.shape, dtype=np.bool_)
    for at in range(folds):
        held = fold == at
        rule = fit_labels(scores[~held], truth[~held], label_set, config)
        calibrated[held] = rule.calibrate(scores[held])
        assigned[held] = rule.assign(calibrated[held])
    return CrossFitted(calibrated, assigned)


def _calibration(scores: Scores, truth: Truth, config: DecisionConfig) -> Calibration | None:
    if config.calibration == "temperature":
        return fit_temperature(scores, truth)
    if config.calibration == "isotonic":
        return fit_isotonic(scores, truth, config)
    return None


def _thresholds(calibrated: Scores, truth: Truth, label_set: LabelSet, config: DecisionConfig) -> list[Values]:
    """Return the thresholds [labels] to choose from; of equally good ones the simplest comes first."""
    default = np.array(_same(label_set, DEFAULT_THRESHOLD))
    if config.thresholds == "default":
        return [default]
    one = np.array(_same(label_set, best_global(calibrated, truth, label_set, config.micro_share)))
    if config.thresholds == "global":
        return [default, one]
    positives, movable = truth.sum(axis=0), np.ones(truth.shape[1], dtype=np.bool_)  # [labels]
    judged_by: Truth | Values = truth
    if config.thresholds == "shrunk":
        weight = positives / np.maximum(positives + config.shrinkage_positives, 1)  # [labels]
        judged_by = weight * truth + (1 - weight) * calibrated  # [rows, labels]
    else:
        movable = positives >= config.min_positives
    ascent = Ascent(calibrated, judged_by, label_set, config.micro_share)
    return [default, one, ascent.climb(one, movable, config.rounds)]


def _same(label_set: LabelSet, threshold: float) -> list[float]:
    return [threshold] * len(label_set.labels)
