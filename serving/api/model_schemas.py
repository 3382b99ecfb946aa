"""The shapes of `/models`, `/livez` and `/readyz`."""

from typing import Literal

from bundle.manifest import Manifest, Task, TaskMetric, TrainingData
from features.labels import LabelSet
from serving.api.schemas import Shape


class ReleaseShare(Shape):
    """A version beside the active one."""

    version: str
    percent: float
    """Of the requests that it answers, or gets copies of."""


class RefusedVersion(Shape):
    """A version that failed to load or to pass its tests; another one serves in its place."""

    version: str
    reason: str
    revision: int
    """Of the releases file."""
    at: str


class ReleaseStatus(Shape):
    """Which versions this worker serves."""

    active: str
    previous: str | None
    """What a rollback goes back to."""
    canary: ReleaseShare | None
    shadow: ReleaseShare | None
    loading: str | None
    """Version that is being loaded and tested."""
    loaded: list[str]
    """Versions in memory; those that are no longer wanted until their last request has ended."""
    refused: RefusedVersion | None
    """The last one that was."""
    revision: int
    """Of the releases file, up to which this model follows it."""


class ModelSummary(Shape):
    """A loaded model, in short."""

    name: str
    version: str
    family: str
    tasks: list[Task]
    record: str
    """What an input is: text, or a record of this kind."""
    dimensions: int | None
    """Length of its vectors; null where it gives none."""
    matryoshka: list[int]
    """Shorter sizes that `dimensions` may ask for."""
    labels: int | None
    """How many labels a classifier has."""
    items: int | None
    """How many items a recommender has."""
    max_tokens: int
    prompts: list[str]
    training_data: TrainingData | None
    metrics: list[TaskMetric]
    graph: str
    """File of the bundle that computes."""
    device: str
    release: ReleaseStatus


class ModelList(Shape):
    """Answer to `GET /models`."""

    models: list[ModelSummary]


class ModelDescription(ModelSummary):
    """Answer to `GET /models/{name}`."""

    label_set: LabelSet | None = None
    """A classifier's labels, thresholds and implications."""
    attributes: list[str] | None = None
    """What a recommender reads of a person."""
    filters: list[str] | None = None
    """Fields of items that a request may filter by."""
    manifest: Manifest


class Alive(Shape):
    """Answer to `GET /livez`."""

    status: Literal["alive"]


class ModelsReady(Shape):
    """Answer to `GET /readyz`."""

    status: Literal["ready"]
    models: dict[str, str]
    """Versions by model."""
