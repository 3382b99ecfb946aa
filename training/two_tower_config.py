"""What may be chosen about a two-tower recommender: the YAML of `books`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from bundle.manifest import Precision, Tolerances
from models.towers import Fusion
from training.baselines.recommenders import Baseline
from training.config import Config, RecipeConfig
from training.data.interactions import InteractionsConfig

ItemField = Literal["author", "publisher", "decade", "words", "tags"]
Attribute = Literal["country", "age"]


class ReadingConfig(Config):
    """What the towers read."""

    item: tuple[ItemField, ...] = ("author", "publisher", "decade", "words")
    """Of items beside their ids; empty: ids alone. Words are those of the title."""
    user: tuple[Attribute, ...] = ()
    """Of users beside their history."""
    user_ids: bool = False
    """Whether known users have a row of their own beside what they have read."""
    history: int = Field(512, ge=1)
    """Items of a history that are read, at most."""
    min_count: int = Field(2, ge=1)
    """Items that must have an author, a publisher, a word or a tag for it to get a row; rarer ones share rows."""
    unknown: int = Field(64, ge=1)
    """Rows that what is too rare shares."""


class TowersShape(Config):
    """How the towers are built."""

    variant: Literal["plain", "dat"] = "dat"
    """dat: with augmented vectors, the mimic loss and category alignment; plain: without all three."""
    width: int = Field(128, gt=0)
    """Length of everything within the towers; vectors have one dimension more, for the items' bias."""
    fusion: Fusion = "sum"
    """How identity and content meet; see `models.towers`."""
    hidden: tuple[int, ...] = (256,)
    """Units of the hidden layers of mlp and gated."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of hidden units that is dropped in training."""
    similarity: Literal["cosine", "dot"] = "cosine"
    """cosine: what comes out of the towers has unit length before the bias is added."""
    damping: float = Field(0.0, ge=0)
    """Weight that an item starts with in a history: popularity to the power of minus this."""


class NegativesConfig(Config):
    """What positives compete with."""

    kind: Literal["all", "in_batch", "sampled"] = "all"
    """all: every item; in_batch: the batch's positives; sampled: those and `count` items that all rows share."""
    count: int = Field(4096, ge=0)
    """Items drawn for each batch, for sampled."""
    alpha: float = Field(0.75, ge=0)
    """Items are drawn by popularity to this power."""


class ObjectiveConfig(Config):
    """What is minimised."""

    temperature: float = Field(0.1, gt=0)
    """What scores are divided by before the softmax, at the start: it is learnt."""
    negatives: NegativesConfig = NegativesConfig()
    target_share: float = Field(0.3, gt=0, lt=1)
    """Share of a user's items that are positives in a step; the rest is the history. Drawn anew each time."""
    targets: int = Field(256, ge=1)
    """Positives of a user in a step, at most."""
    heavy_users: float = Field(0.5, ge=0, le=1)
    """What a user counts in a step: number of positives to this power."""
    forget: float = Field(0.0, ge=0, lt=1)
    """Share of items whose id is not told in a step, so that their content learns to do without."""
    forget_history: float = Field(0.0, ge=0, lt=1)
    """Share of users whose history is not told in a step, so that attributes learn to do without."""
    mimic: float = Field(0.5, ge=0)
    """Weight of the adaptive-mimic losses of both sides."""
    alignment: float = Field(1.0, ge=0)
    """Weight of the category-alignment loss."""
    category: ItemField = "decade"
    """Field whose first value is an item's category."""


class TwoTowerFloors(Config):
    """Least figures on validation users below which a recommender is not exported."""

    recall_at_20: float = Field(0.0, ge=0, le=1)


class RecommenderExportConfig(Config):
    """How a recommender becomes a bundle."""

    precisions: tuple[Precision, ...] = (Precision.FP16,)
    """Graphs to make beside fp32. `int8` takes a quarter of the memory, but sums of rows gain no speed by it on a CPU,
    and items of nearly the same score change places."""
    probe_rows: int = Field(256, ge=16)
    """Records of each kind over which graphs are compared with PyTorch."""
    fp16_probe_rows: int = Field(32, ge=8)
    """Records for fp16, which the CPU only emulates."""
    int8_min_cosine: float = Field(0.98, ge=0, le=1)
    """Smallest cosine of any vector in eight bits to PyTorch's."""
    approximate_from: int = Field(300_000, ge=1)
    """Items from which an HNSW graph is built beside the exact one."""
    tolerances: Tolerances = Tolerances()
    """Gates, recorded in the manifest."""


class TwoTowerExportConfig(RecommenderExportConfig):
    """How the two towers become a bundle, and what they have to show."""

    floors: TwoTowerFloors = TwoTowerFloors()
    """For a bundle trained on real data."""
    sample_floors: TwoTowerFloors = TwoTowerFloors()
    """For a bundle trained on the generated sample."""


class EvaluationConfig(Config):
    """What a trained recommender is measured against."""

    baselines: tuple[Baseline, ...] = ("popularity", "item_knn", "item_knn_tuned", "als")
    """Fitted and ranked beside it."""
    targets: dict[str, float] = Field(default_factory=dict)
    """Smallest acceptable value by figure, for example `recall@20: 0.09`; told in the report."""
    seeds: tuple[int, ...] = ()
    """Seeds of further trainings of both variants, plain and dat, that are compared in the report; empty: none."""


class TwoTowerConfig(RecipeConfig):
    """Everything about one two-tower recommender."""

    family: Literal["two_tower"]
    data: InteractionsConfig
    reads: ReadingConfig = ReadingConfig()
    towers: TowersShape = TowersShape()
    objective: ObjectiveConfig = ObjectiveConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    export: TwoTowerExportConfig = TwoTowerExportConfig()

    @property
    def augmented(self) -> bool:
        """Whether the towers have augmented vectors."""
        return self.towers.variant == "dat"

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        aligned = self.augmented or self.evaluation.seeds  # seeds train both variants
        if aligned and self.objective.alignment and self.objective.category not in self.reads.item:
            raise ValueError(f"objective.category {self.objective.category!r} is not among reads.item")
        return self
