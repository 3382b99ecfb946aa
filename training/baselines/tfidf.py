"""TF-IDF of words and word pairs, and one logistic regression for each label."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from pydantic import Field
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from features.labels import Strict
from training.metrics.arrays import Scores, Truth
from training.metrics.calibration import log_loss

SEED = 0
TOLERANCE = 1e-3
"""Of the solver: a tenth of its default's precision, half of its time, the same F1."""


class TfidfConfig(Strict):
    """The baseline's settings."""

    max_ngram: int = Field(2, ge=1)
    """Longest run of words that is a feature."""
    min_texts: int = Field(2, ge=1)
    """A feature occurs in at least so many training texts."""
    max_features: int | None = Field(200_000, ge=1)
    """Most features, the most frequent ones; none for no bound."""
    strengths: tuple[float, ...] = (1.0, 4.0)
    """Inverse regularisation strengths C to choose from, by log loss on validation rows."""
    tuning_rows: int = Field(10_000, ge=1)
    """Most training rows on which C is chosen; the final fit takes all."""


class TfidfBaseline:
    """A fitted vocabulary and its regressions."""

    def __init__(self, strength: float, config: TfidfConfig) -> None:
        self.strength = strength
        """The inverse regularisation strength C."""
        self._vectorizer = TfidfVectorizer(
            ngram_range=(1, config.max_ngram),
            min_df=config.min_texts,
            max_features=config.max_features,
            sublinear_tf=True,
            dtype=np.float32,
            token_pattern=r"(?u)\b\w+\b",
        )
        self._coefficients = np.zeros((0, 0), dtype=np.float32)  # [features, labels]
        self._intercepts = np.zeros(0, dtype=np.float32)  # [labels]

    @classmethod
    def choose(
        cls,
        texts: Sequence[str],
        truth: Truth,
        validation_texts: Sequence[str],
        validation_truth: Truth,
        config: TfidfConfig | None = None,
    ) -> Self:
        """Choose C on validation rows, then fit on all training rows."""
        config = config or TfidfConfig()
        strength = config.strengths[0]
        if len(config.strengths) > 1:
            rows = np.random.default_rng(SEED).permutation(len(texts))[: config.tuning_rows]
            some, own = [texts[row] for row in rows], truth[rows]

            def loss(strength: float) -> float:
                return log_loss(validation_truth, cls(strength, config).fit(some, own).predict(validation_texts))

            strength = min(config.strengths, key=loss)
        return cls(strength, config).fit(texts, truth)

    def fit(self, texts: Sequence[str], truth: Truth) -> Self:
        """Fit vocabulary and regressions on training texts and truth [texts, labels]."""
        matrix = self._vectorizer.fit_transform(texts)  # [texts, features]
        # Solvers may crash on a matrix whose indices are repeated or out of order.
        matrix.sum_duplicates()
        matrix.sort_indices()
        fitted = [self._fit_label(matrix, truth[:, at]) for at in range(truth.shape[1])]
        self._coefficients = np.stack([coefficients for coefficients, _ in fitted], axis=1)
        self._intercepts = np.array([intercept for _, intercept in fitted], dtype=np.float32)
        return self

    def predict(self, texts: Sequence[str]) -> Scores:
        """Return scores [texts, labels]."""
        logits = self._vectorizer.transform(texts) @ self._coefficients + self._intercepts  # [texts, labels]
        scores: Scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        return scores.astype(np.float32, copy=False)

    def _fit_label(self, matrix: Any, truth: Any) -> tuple[Any, float]:
        """Return one label's coefficients [features] and intercept; a label without both kinds scores its frequency."""
        positives = int(truth.sum())
        if positives in (0, len(truth)):
            return np.zeros(matrix.shape[1], dtype=np.float32), -80.0 if positives == 0 else 80.0
        solver = LogisticRegression(
            C=self.strength, solver="liblinear", dual=True, tol=TOLERANCE, max_iter=1000, random_state=SEED
        )
        # Not int8: scikit-learn 1.9 overflows in some of its label matrices.
        solver.fit(matrix, truth.astype(np.int32))
        return solver.coef_[0].astype(np.float32), float(solver.intercept_[0])
