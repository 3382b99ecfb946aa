"""The manifest: what a bundle says about itself, and the schema that every reader holds it to.

A manifest carries no code and no file names to guess from. Serving picks a graph by what is written here
(precision, allowed execution providers, measured drop of the task metric, batch invariance), never by a file's name.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MANIFEST_FILE = "manifest.json"

Sha256 = str
"""Lower-case hexadecimal digest of a file's bytes."""


class Strict(BaseModel):
    """Base of all manifest records: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Task(StrEnum):
    """What a bundle can be asked to do; each is an endpoint."""

    EMBED = "embed"
    CLASSIFY = "classify"
    RECOMMEND = "recommend"


class Precision(StrEnum):
    """Number format of a graph's weights and arithmetic."""

    FP32 = "fp32"
    FUSED = "fused"
    """fp32 arithmetic with the transformer's sub-graphs fused into ONNX Runtime's contrib operators."""
    INT8 = "int8"
    FP16 = "fp16"


class Role(StrEnum):
    """Which of a bundle's encoders a graph is. A recommender may have two, whose vectors are compared."""

    ENCODER = "encoder"
    """The only one."""
    USER = "user"
    ITEM = "item"


class Provider(StrEnum):
    """ONNX Runtime execution providers that a graph may run on."""

    CPU = "CPUExecutionProvider"
    CUDA = "CUDAExecutionProvider"


class FileRecord(Strict):
    """Size and digest of one file of the bundle."""

    sha256: Sha256 = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Parity(Strict):
    """How far a graph's outputs, vectors or scores, are from the PyTorch module's, over `rows` inputs."""

    reference: str
    """What the graph was compared with, for example `pytorch fp32`."""
    rows: int
    max_abs: float
    """Largest absolute difference of any output element."""
    min_cosine: float
    mean_cosine: float


class TaskMetric(Strict):
    """One figure of quality. A figure without its protocol says nothing, so the protocol is required."""

    name: str
    value: float
    protocol: str


class GraphRecord(Strict):
    """One ONNX file of the bundle and what was measured on it."""

    file: str
    role: Role = Role.ENCODER
    precision: Precision
    providers: list[Provider]
    parity: Parity
    batch_invariance: float
    """Smallest cosine between an input's output alone and inside any tested batch."""
    metric: TaskMetric
    metric_drop: float
    """Relative loss of the task metric against the fp32 graph: 0.005 is half a percent; negative is a gain."""


class IndexRecord(Strict):
    """The vectors that a recommender's answers are searched among; its files lie in `index/`."""

    items: int = Field(ge=0)
    exact: str
    """File of the graph that scores all items and picks the best."""
    approximate: str | None = None
    """File of the HNSW graph; None: the catalogue is small enough to be searched exactly."""
    recall: TaskMetric | None = None
    """How many of the exact answers the approximate index finds; None where there is none."""


class DroppedPass(Strict):
    """An export pass whose result failed its gate, kept so that nobody has to wonder why a file is missing."""

    precision: Precision
    role: Role = Role.ENCODER
    reason: str


class Tolerances(Strict):
    """The gates a graph has to pass to be served."""

    fp32_min_cosine: float = 0.9999
    fp32_max_abs: float = 1e-4
    """Largest absolute difference of a classifier's score from PyTorch's."""
    fp16_min_cosine: float = 0.999
    batch_invariance_min_cosine: float = 0.9999
    metric_drop: float = 0.005
    """Largest relative loss of the task metric that a reduced precision may cost."""


class Provenance(Strict):
    """Where the base weights come from."""

    source: str
    weights_sha256: Sha256
    licence: str | None = None
    architecture: str | None = None
    """The checkpoint's own architecture name, for example `BertModel`."""
    parameters: int | None = None


class TrainingData(Strict):
    """Fingerprint of the rows a model was trained on; absent for pretrained weights."""

    description: str
    sha256: Sha256
    rows: int


class Manifest(Strict):
    """Everything that serving needs to know about a bundle."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern="^[a-z0-9][a-z0-9._-]*$")
    family: str
    version: str = Field(pattern="^[a-z0-9][a-z0-9._-]*$")
    tasks: list[Task]
    created: datetime
    provenance: Provenance
    training_data: TrainingData | None = None
    metrics: list[TaskMetric] = []
    record: Literal["text", "book", "paper", "work"] = "text"
    """What an input is: plain text only, or a record of this kind, for whose body plain text stands."""
    index: IndexRecord | None = None
    """What is recommended; None: the model does not recommend."""
    similarity: Literal["cosine", "dot"] | None = None
    pooling: str | None = None
    """How token vectors become one vector, for example `mean`; it is inside the graph and told here for people."""
    normalized: bool | None = None
    """Whether the graph's output has unit length."""
    dimensions: int | None = Field(None, gt=0)
    """Length of the graph's output vector; like the three fields before it absent where a model gives no vectors."""
    matryoshka: list[int] = []
    """Shorter sizes the model was trained for, in rising order; empty when it was not trained with a matryoshka loss.
    Parity and golden vectors hold at each of them."""
    max_tokens: int = Field(gt=0)
    """Longest input the model reads whole: transformer tokens, or n-grams where it has no transformer."""
    prompts: dict[str, str] = {}
    default_prompt: str | None = None
    """Name of the prompt that is put before every input when a request names none."""
    tolerances: Tolerances = Tolerances()
    graphs: list[GraphRecord] = Field(min_length=1)
    dropped: list[DroppedPass] = []
    files: dict[str, FileRecord]
    """Every file of the bundle but the manifest itself, by path relative to the bundle's folder."""

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        unlisted = [graph.file for graph in self.graphs if graph.file not in self.files]
        if unlisted:
            raise ValueError(f"graphs without a file record: {', '.join(unlisted)}")
        if self.default_prompt is not None and self.default_prompt not in self.prompts:
            raise ValueError(f"default_prompt {self.default_prompt!r} is not among the prompts {sorted(self.prompts)}")
        return self

    @model_validator(mode="after")
    def _recommenders_have_items(self) -> Self:
        if (self.index is not None) != (Task.RECOMMEND in self.tasks):
            raise ValueError("a model has an index if and only if it recommends")
        if self.index is not None and (lost := {self.index.exact, self.index.approximate} - {None, *self.files}):
            raise ValueError(f"index files without a file record: {', '.join(sorted(map(str, lost)))}")
        return self

    @model_validator(mode="after")
    def _vectors_are_described(self) -> Self:
        if VECTOR_TASKS.isdisjoint(self.tasks):
            return self
        absent = [field for field in VECTOR_FIELDS if getattr(self, field) is None]
        if absent:
            raise ValueError(f"a model that gives vectors has to state {', '.join(absent)}")
        sizes = [0, *self.matryoshka, self.dimensions or 0]
        if sizes != sorted(set(sizes)):
            raise ValueError(f"matryoshka sizes have to rise from 1 and stay below {self.dimensions} dimensions")
        return self


VECTOR_TASKS = frozenset({Task.EMBED, Task.RECOMMEND})
VECTOR_FIELDS = ("similarity", "pooling", "normalized", "dimensions")
