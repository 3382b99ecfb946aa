"""The shapes of `POST /recommend`."""

from typing import Any, Literal

from pydantic import Field
from pydantic.config import JsonDict

from serving.api.schemas import ANCHORS, Body, Shape, Usage

ID: JsonDict = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
IDS: JsonDict = {"type": "array", "items": ID}
USER: JsonDict = {
    "type": "object",
    "properties": {
        "id": ID,
        "history": {**IDS, "description": "Ids of items, the most recent last."},
        "attributes": {
            "type": "object",
            "description": "What the model reads besides; `GET /models/{name}` lists it.",
            "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
        },
    },
    "additionalProperties": False,
}
VALUES_BY_FIELD: JsonDict = {"type": "object", "additionalProperties": {"anyOf": [ID, IDS]}}
FILTERS: JsonDict = {
    "type": "object",
    "properties": {"required": VALUES_BY_FIELD, "excluded": VALUES_BY_FIELD, "any": VALUES_BY_FIELD},
    "additionalProperties": False,
}


class RecommendBody(Body):
    """`POST /recommend`. At most one of user, items and record; with none of them the answer is what is popular."""

    model: str | None = None
    """Name of a loaded model, or `name:version` of a loaded version; without it, the first that recommends."""
    user: dict[str, Any] | None = Field(None, json_schema_extra=USER)
    """Who to recommend to. A stored history and one that is sent are joined."""
    items: list[Any] | None = Field(None, json_schema_extra=ANCHORS)
    """Anchors: recommend what is like these ids of items and records."""
    record: dict[str, Any] | None = None
    """Recommend what is like this record, which need not be among the items."""
    k: int = Field(10, ge=1, strict=True)
    """Items to recommend; fewer come where there are no more."""
    exclude: list[Any] | None = Field(None, json_schema_extra=IDS)
    """Ids of items that shall not be recommended."""
    exclude_seen: bool = True
    """Leave out what the history holds. Anchors are left out in any case."""
    filters: dict[str, Any] | None = Field(None, json_schema_extra=FILTERS)
    """Conditions by field, without regard to case: an item has all `required` values, no `excluded` one, and of each
    field in `any` at least one value. `GET /models/{name}` lists the fields."""
    diversity: float | None = Field(None, ge=0, le=1, strict=True)
    """From 0, the best items, to 1, items as unlike each other as can be (maximal marginal relevance)."""
    explain: bool = False
    """Tell for each item what it is most like, what they share, and where its score comes from."""


class Reason(Shape):
    """Why an item is recommended; which fields there are depends on `kind`."""

    kind: Literal["nearest", "shared", "score"]
    id: str | None = None
    """nearest: the item of the history or of the anchors that is most like the recommended one."""
    title: str | None = None
    similarity: float | None = None
    """nearest: cosine of the two items. score: of item and query, as the model compares them."""
    field: str | None = None
    """shared: where the nearest item and the recommended one have the same values."""
    values: list[str] | None = None
    cosine: float | None = None
    """score: of item and query."""
    popularity: float | None = None
    """score: the item's share of all interactions in training."""


class RecommendedItem(Shape):
    """One recommended item."""

    id: str
    score: float
    """Dot product or cosine with the query, as the manifest's `similarity` says; with the strategy `popularity` the
    item's share of all interactions in training."""
    title: str | None = None
    reasons: list[Reason] | None = None


class RecommendShape(Shape):
    """Answer to `POST /recommend`."""

    model: str
    version: str
    strategy: Literal["user", "items", "popularity"]
    """What the answer rests on."""
    cold_start: bool
    """Whether it rests on no interaction that the model knows of: an unknown user, or nothing but new records."""
    unknown: list[str] | None = None
    """Ids of the request that are no items and were passed over."""
    items: list[RecommendedItem]
    """Best first."""
    usage: Usage
