"""`POST /recommend`."""

from typing import Any

import orjson

from serving.api.asgi import Answer, Request
from serving.api.parsing import parse
from serving.api.recommend_schemas import RecommendBody
from serving.api.timing import server_timing, timeout_ms
from serving.core import Core
from serving.queries import RecommendAnswer, RecommendQuery
from serving.recommender.answers import Asked, Item, Nearest, Reason, ScoreParts, Shared


async def recommend(core: Core, request: Request) -> Answer:
    """Answer `POST /recommend`."""
    body = parse(RecommendBody, request.body, request.header(b"content-type"))
    answer = await core.recommend(recommend_query(body, timeout_ms(request)))
    return Answer(answer_bytes(answer), headers=[server_timing(answer.recommended.spent)])


def recommend_query(body: RecommendBody, timeout_ms: float | None = None) -> RecommendQuery:
    """Turn a validated body into the core's query."""
    asked = Asked(
        body.user, body.items, body.record, body.k, body.exclude, body.exclude_seen, body.filters,
        body.diversity or 0.0, body.explain,
    )  # fmt: skip
    return RecommendQuery(asked, body.model, timeout_ms)


def recommend_payload(answer: RecommendAnswer) -> dict[str, Any]:
    """Return the JSON value of `POST /recommend`."""
    payload: dict[str, Any] = orjson.loads(answer_bytes(answer))
    return payload


def answer_bytes(answer: RecommendAnswer) -> bytes:
    """Return the body of the answer to `POST /recommend`."""
    manifest, recommended = answer.model.manifest, answer.recommended
    payload = {
        "model": manifest.name,
        "version": manifest.version,
        "strategy": recommended.strategy,
        "cold_start": recommended.cold_start,
        **({"unknown": recommended.unknown} if recommended.unknown else {}),
        "items": [_item(item) for item in recommended.items],
        "usage": {"tokens": recommended.spent.tokens},
    }
    # scores are float32, which orjson writes with the fewest digits
    return orjson.dumps(payload, option=orjson.OPT_SERIALIZE_NUMPY)


def _item(item: Item) -> dict[str, object]:
    told: dict[str, object] = {"id": item.id, "score": item.score}
    if item.title is not None:
        told["title"] = item.title
    if item.reasons is not None:
        told["reasons"] = [reason_of(reason) for reason in item.reasons]
    return told


def reason_of(reason: Reason) -> dict[str, object]:
    """Return the JSON value of a reason: what belongs to its kind."""
    told: dict[str, object]
    match reason:
        case Nearest():
            told = {"id": reason.id, "title": reason.title, "similarity": reason.similarity}
        case Shared():
            told = {"field": reason.field, "values": reason.values}
        case ScoreParts():
            told = {"similarity": reason.similarity, "cosine": reason.cosine, "popularity": reason.popularity}
    return {"kind": reason.kind, **{key: value for key, value in told.items() if value is not None}}
