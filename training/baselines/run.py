"""Both baselines as candidates of a report: fitted, decided by the same rule as the model, timed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from features.labels import LabelSet
from training.baselines.prior import Prior
from training.baselines.tfidf import TfidfBaseline, TfidfConfig
from training.decision.config import DecisionConfig
from training.decision.fit import cross_fit, fit_labels
from training.metrics.arrays import Scores, Truth
from training.report.evaluation import Candidate, cross_fitted_figures


@dataclass(frozen=True)
class Texts:
    """One part of a split: texts and their truth [texts, labels]."""

    texts: Sequence[str]
    truth: Truth


class _Fitted(Protocol):
    def predict(self, texts: Sequence[str]) -> Scores:
        """Return scores [texts, labels]."""


def run_baselines(
    train: Texts,
    validation: Texts,
    test: Texts,
    label_set: LabelSet,
    decision: DecisionConfig,
    tfidf: TfidfConfig | None = None,
    published_threshold: float | None = None,
) -> list[Candidate]:
    """Fit TF-IDF with logistic regression, and the label frequencies, on the training part.

    Each gets calibration and thresholds by the model's own `decision` on the validation part. TF-IDF comes once more by
    the rule of the published figures, without calibration, implications and fallback: one threshold for all labels,
    `published_threshold` or, where it is None, the best on validation.
    """
    judge = _Judge(validation, test, label_set, decision)
    began = time.perf_counter()
    regression = TfidfBaseline.choose(train.texts, train.truth, validation.texts, validation.truth, tfidf)
    fit_s = time.perf_counter() - began
    notes = (f"C = {regression.strength:g}, chosen on validation",)
    by_words = judge.candidate("tfidf_lr", "TF-IDF + logistic regression", regression, fit_s, notes)
    prior = judge.candidate("prior", "label frequencies", Prior.fit(train.truth))
    return [by_words, judge.published(by_words, regression, published_threshold), prior]


@dataclass(frozen=True)
class _Judge:
    """Decides and tests every baseline alike."""

    validation: Texts
    test: Texts
    label_set: LabelSet
    decision: DecisionConfig

    def candidate(
        self, name: str, title: str, fitted: _Fitted, fit_s: float = 0.0, notes: Sequence[str] = ()
    ) -> Candidate:
        """Fit the rule on the validation part, and score the test part."""
        scores, truth = fitted.predict(self.validation.texts), self.validation.truth
        rule = fit_labels(scores, truth, self.label_set, self.decision)
        honest = cross_fitted_figures(cross_fit(scores, truth, self.label_set, self.decision), truth)
        began = time.perf_counter()
        tested = fitted.predict(self.test.texts)
        wall_s = {"fit": fit_s, "predict": time.perf_counter() - began}
        return Candidate(name, title, tested, rule, honest, wall_s, notes)

    def published(self, candidate: Candidate, fitted: _Fitted, threshold: float | None) -> Candidate:
        """Decide the candidate's scores by one threshold for all labels."""
        bare = LabelSet(labels=self.label_set.labels, top_1_fallback=False)
        if threshold is None:
            one = DecisionConfig(calibration="none", thresholds="global", micro_share=1)
            rule = fit_labels(fitted.predict(self.validation.texts), self.validation.truth, bare, one)
            how = f"{rule.labels[0].threshold:g}, chosen on validation"
        else:
            rule = bare.with_decision(None, [threshold] * len(bare.labels))
            how = f"{threshold:g}, given"
        note = f"one threshold for all labels ({how}); no calibration, implications or fallback"
        title = f"{candidate.title}, one threshold"
        return Candidate(f"{candidate.name}_one_threshold", title, candidate.scores, rule, notes=(note,))
