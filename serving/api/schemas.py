"""The shapes of the HTTP contract: what requests are held to, and what OpenAPI tells of both directions."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.config import JsonDict

from serving.errors import Code
from serving.vectors import EncodingFormat, OutputDtype

TEXT_OR_TEXTS: JsonDict = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
"""Elements are checked one by one, so that one bad input fails alone; the schema tells clients what they should be."""

RECORD: JsonDict = {
    "type": "object",
    "description": "A book (title, description, author) or a paper (title, abstract), as the model reads.",
    "additionalProperties": {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]
    },
}
ANY_OBJECT: JsonDict = {"type": "object", "additionalProperties": True}
ANCHORS: JsonDict = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}, ANY_OBJECT]}}
"""Ids of items and records."""
TEXTS_IDS_OR_RECORDS: JsonDict = {
    "anyOf": [
        {"type": "string"},
        {**ANCHORS, "minItems": 1},
    ]
}
"""As `TEXT_OR_TEXTS`, with what recommenders take besides."""

RECORD_OR_RECORDS: JsonDict = {
    "anyOf": [
        {"type": "string"},
        RECORD,
        {"type": "array", "items": {"anyOf": [{"type": "string"}, RECORD]}, "minItems": 1},
    ]
}


class Body(BaseModel):
    """Base of request bodies: a misspelt field is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Shape(BaseModel):
    """Base of answers, for documentation; the hot path writes them without building these objects."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class EmbedBody(Body):
    """`POST /embed`."""

    inputs: str | list[Any] = Field(json_schema_extra=TEXTS_IDS_OR_RECORDS)
    """One text or several. A recommender takes ids of items, their records, and people as {"user": {...}}."""
    model: str | None = None
    """Name of a loaded model, or `name:version` of a loaded version; without it, the first that embeds."""
    prompt: str | None = None
    """Name of one of the model's prompts, put before every input; without it, the model's default prompt."""
    dimensions: int | None = Field(None, ge=1)
    """Leading dimensions to keep, brought back to unit length."""
    normalize: bool | None = None
    """Bring vectors to unit length; without it, as the model gives them."""
    encoding_format: EncodingFormat = "float"
    """`base64` holds the same values as little-endian bytes."""
    output_dtype: OutputDtype = "float32"
    """`int8` comes with a `scale` for each vector; `binary` packs signs, eight to a byte."""
    truncate: bool = True
    """Cut texts at the model's `max_tokens`; when false, a longer text is an error."""


class ClassifyBody(Body):
    """`POST /classify`."""

    inputs: str | dict[str, Any] | list[Any] = Field(json_schema_extra=RECORD_OR_RECORDS)
    """One text or record, or several of either."""
    model: str | None = None
    """Name of a loaded model, or `name:version` of a loaded version; without it, the first that classifies, or with
    `candidate_labels` that embeds."""
    top_k: int | None = Field(None, ge=1)
    """Best labels to tell of each input; without it, all."""
    threshold: float | None = Field(None, ge=0, le=1)
    """Score from which a label is assigned, in place of the labels' own; the best one is then not assigned when none
    reaches it. Nothing is left out: `top_k` does that."""
    candidate_labels: list[str] | None = Field(None, min_length=2, max_length=64)
    """Labels to choose from, in place of a classifier's own: 2 to 64, each once. A text encoder answers."""
    truncate: bool = True
    """Cut texts at what the model reads; when false, a longer text is an error."""

    @field_validator("candidate_labels")
    @classmethod
    def _are_distinct(cls, labels: list[str] | None) -> list[str] | None:
        names = [label.strip() for label in labels or []]
        if not all(names):
            raise ValueError("a label is blank")
        if len(set(names)) < len(names):
            raise ValueError("a label appears twice")
        return labels


class ErrorBody(Shape):
    """What went wrong and what to do about it."""

    code: str = Field(json_schema_extra={"enum": [code.value for code in Code]})
    """Stable name of the error."""
    message: str
    param: str | None
    """The parameter at fault."""


class ErrorAnswer(Shape):
    """Body of every answer that is not a success."""

    error: ErrorBody


class EmbeddingItem(Shape):
    """Embedding of one input, or the error that it met; the other inputs are answered all the same."""

    index: int
    embedding: list[float] | str | None = None
    scale: float | None = None
    """With `output_dtype: int8`: embedding x scale gives floats."""
    error: ErrorBody | None = None


class Usage(Shape):
    """What a request cost."""

    tokens: int


class EmbedShape(Shape):
    """Answer to `POST /embed`."""

    model: str
    version: str
    data: list[EmbeddingItem]
    usage: Usage


class LabelScore(Shape):
    """One label of one input."""

    label: str
    """Stable identifier, for programs."""
    name: str
    """Display name, for people."""
    score: float
    """Calibrated: of many labels with this score, this share is right. With `candidate_labels` the scores sum to 1."""
    assigned: bool
    """Whether the model's decision rule, or the request's `threshold`, gives the input this label."""


class ClassifiedItem(Shape):
    """Labels of one input, best first, or the error that it met; the other inputs are answered all the same."""

    index: int
    labels: list[LabelScore] | None = None
    error: ErrorBody | None = None


class ClassifyShape(Shape):
    """Answer to `POST /classify`."""

    model: str
    version: str
    data: list[ClassifiedItem]
    usage: Usage


class OpenAIBody(BaseModel):
    """`POST /v1/embeddings`, OpenAI's shape. Fields that only concern OpenAI (`user`) are passed over."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    input: str | list[Any] = Field(json_schema_extra=TEXT_OR_TEXTS)
    """One text or several; arrays of token ids are refused, since they are ids of another tokeniser."""
    model: str
    """Name of a loaded model."""
    dimensions: int | None = Field(None, ge=1)
    encoding_format: EncodingFormat = "float"


class OpenAIItem(Shape):
    """One embedding in OpenAI's shape."""

    object: str = "embedding"
    index: int
    embedding: list[float] | str


class OpenAIUsage(Shape):
    """What a request cost, in OpenAI's words."""

    prompt_tokens: int
    total_tokens: int


class OpenAIShape(Shape):
    """Answer to `POST /v1/embeddings`."""

    object: str = "list"
    model: str
    data: list[OpenAIItem]
    usage: OpenAIUsage
