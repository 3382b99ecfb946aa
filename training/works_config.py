"""What may be chosen about an encoder of fan works: the YAML of `works`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from training.config import Config, RecipeConfig
from training.data.works import WorksConfig
from training.two_tower_config import RecommenderExportConfig

WorkField = Literal[
    "words", "freeform", "fandom", "category", "rating", "relationship", "people", "warning", "author", "language"
]
Kind = Literal["relationship", "fandom", "character", "freeform"]
Baseline = Literal["tfidf", "tfidf_pairs", "random"]


class WorkReadingConfig(Config):
    """What the encoder reads."""

    fields: tuple[WorkField, ...] = ("words", "freeform", "fandom", "category", "rating", "relationship", "people")
    """Bags, in the order of the graph's inputs; see `training.work_features.FIELDS`."""
    numbers: bool = False
    """Whether the seventeen dense features are read: counts, chapters, dates, lengths."""
    bits: int = Field(16, ge=8, le=22)
    """Logarithm of the number of rows that words are hashed into."""
    min_count: int = Field(2, ge=1)
    """Training works that must have a tag for it to get a row; rarer ones share rows."""
    unknown: int = Field(256, ge=1)
    """Rows that the tags of a kind that are too rare share."""

    @model_validator(mode="after")
    def _read_something_bare(self) -> Self:
        if not {"words", "freeform"} & set(self.fields):
            raise ValueError("a work of which title and free tags alone are known needs `words` or `freeform`")
        return self


class WorkEncoderConfig(Config):
    """How the encoder is built."""

    variant: Literal["deep", "linear"] = "deep"
    """deep: with dot products of all pairs of fields and hidden layers; linear: an affine map, without both."""
    width: int = Field(128, gt=0)
    """Length of everything, the vectors included."""
    hidden: tuple[int, ...] = (256,)
    """Units of the hidden layers of deep."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of hidden units that is dropped in training."""


def _usual() -> dict[Kind, float]:
    return {"relationship": 1.0, "fandom": 0.3}


class CandidatesConfig(Config):
    """Which works a list holds, and what makes one of them relevant; the worths of all reasons are added up."""

    shared: dict[Kind, float] = Field(default_factory=_usual)
    """Worth of having a tag of a kind in common."""
    overlap: dict[Kind, float] = Field(default_factory=dict)
    """Worth of having all tags of a kind in common, and less in proportion: the cosine of both sets of tags."""
    readers: float = Field(0.0, ge=0)
    """Worth of having all readers in common, and less in proportion, where the data has a list of `readers`."""
    related: int = Field(0, ge=0)
    """Works drawn for each anchor among those with a tag of the first kind of `shared` in common. A list is all other
    works of the step: its rows, and what is drawn for them."""

    @model_validator(mode="after")
    def _tell_something(self) -> Self:
        worths = [*self.shared.values(), *self.overlap.values(), self.readers]
        if min(worths) < 0 or not max(worths):
            raise ValueError("worths are 0 or more, and one of them is more")
        if self.related and not self.shared:
            raise ValueError("related works share a tag of the first kind of `shared`, which is empty")
        return self


class WorkObjectiveConfig(Config):
    """What is minimised."""

    scale: float = Field(10.0, gt=0)
    """Factor of cosines before their softmax over a list."""
    sharpness: float = Field(1.0, gt=0)
    """Power of relevance before it is divided by its sum over a list."""
    noise: float = Field(0.1, ge=0)
    """Weight of the noise-similarity regulariser; 0: off, which saves half the time."""
    noise_share: float = Field(0.25, ge=0, le=1)
    """Share of ids that it replaces by others of the same field and step."""
    bare: float = Field(0.5, ge=0, le=1)
    """Share of works that show nothing but title and free tags in a step."""
    field_dropout: float = Field(0.2, ge=0, lt=1)
    """Share of fields that the other works hide."""
    token_dropout: float = Field(0.3, ge=0, lt=1)
    """Share of words and free tags that all works hide."""
    table_rate_factor: float = Field(13.0, gt=0)
    """Learning rate of the tables, in units of the others'."""


class WorkEvaluationConfig(Config):
    """What the neighbours of test works are measured against."""

    baselines: tuple[Baseline, ...] = ("tfidf", "tfidf_pairs", "random")
    """tfidf of words; tfidf_pairs of words and pairs of them."""
    targets: dict[str, float] = Field(default_factory=dict)
    """Smallest acceptable value by figure, for example `fandom@10: 0.62`; told in the report."""


class WorkFloors(Config):
    """Least figures on validation works below which an encoder is not exported."""

    fandom_at_10: float = Field(0.0, ge=0, le=1)
    ship_at_10: float = Field(0.0, ge=0, le=1)


class WorkExportConfig(RecommenderExportConfig):
    """How the encoder becomes a bundle, and what it has to show."""

    floors: WorkFloors = WorkFloors()
    """For a bundle trained on real data."""
    sample_floors: WorkFloors = WorkFloors()
    """For a bundle trained on the generated sample."""


class SparseFieldsConfig(RecipeConfig):
    """Everything about one encoder of works."""

    family: Literal["sparse_fields"]
    data: WorksConfig = WorksConfig()
    reads: WorkReadingConfig = WorkReadingConfig()
    encoder: WorkEncoderConfig = WorkEncoderConfig()
    candidates: CandidatesConfig = CandidatesConfig()
    objective: WorkObjectiveConfig = WorkObjectiveConfig()
    evaluation: WorkEvaluationConfig = WorkEvaluationConfig()
    export: WorkExportConfig = WorkExportConfig()
