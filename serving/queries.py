"""What every transport turns its requests into, and what the core answers."""

from dataclasses import dataclass

from serving.classifying import Classified
from serving.model import Result, Served
from serving.recommender.answers import Asked, Recommended
from serving.vectors import AS_IT_IS, VectorForm


@dataclass(frozen=True)
class EmbedQuery:
    """What every transport turns an embed request into."""

    inputs: list[object]
    model: str | None = None
    prompt: str | None = None
    truncate: bool = True
    form: VectorForm = AS_IT_IS
    timeout_ms: float | None = None


@dataclass(frozen=True)
class EmbedAnswer:
    """What a transport formats."""

    model: Served
    result: Result


@dataclass(frozen=True)
class ClassifyQuery:
    """What every transport turns a classify request into."""

    inputs: list[object]
    model: str | None = None
    top_k: int | None = None
    """Best labels to tell; None: all."""
    threshold: float | None = None
    """Takes the place of the labels' own thresholds."""
    candidate_labels: list[str] | None = None
    """Labels to choose from, with a text encoder, in place of a classifier's own."""
    truncate: bool = True
    timeout_ms: float | None = None


@dataclass(frozen=True)
class ClassifyAnswer:
    """What a transport formats."""

    model: Served
    classified: Classified
    top_k: int | None


@dataclass(frozen=True)
class RecommendQuery:
    """What every transport turns a recommend request into."""

    asked: Asked
    model: str | None = None
    timeout_ms: float | None = None


@dataclass(frozen=True)
class RecommendAnswer:
    """What a transport formats."""

    model: Served
    recommended: Recommended
