"""From the core's answers to messages."""

from typing import TypeVar

import numpy as np

from serving.api.rpc.status import rich_status
from serving.errors import JubakoError
from serving.model import Served
from serving.queries import ClassifyAnswer, EmbedAnswer, RecommendAnswer
from serving.recommender.answers import Item, Nearest, Reason, ScoreParts, Shared, Strategy
from serving.vectors import VectorForm
from wire._generated import encoder_pb2 as pb

ResponseT = TypeVar("ResponseT", pb.EmbedResponse, pb.ClassifyResponse, pb.RecommendResponse)

STRATEGIES = {
    Strategy.USER: pb.STRATEGY_USER,
    Strategy.ITEMS: pb.STRATEGY_ITEMS,
    Strategy.POPULARITY: pb.STRATEGY_POPULARITY,
}


def fill_embed(response: pb.EmbedResponse, answer: EmbedAnswer, form: VectorForm) -> pb.EmbedResponse:
    """Write the answer to an embed request into a message and return it."""
    _fill_head(response, answer.model, answer.result.tokens)
    packed = form.encoding == "base64"
    for output in answer.result.outputs:
        item = response.data.add()
        if isinstance(output, JubakoError):
            item.error.CopyFrom(rich_status(output))
            continue
        if packed:
            item.packed, scale = form.packed(output)
        else:
            values, scale = form.values(output)
            item.floats.values.extend(values.tolist())
        if scale is not None:
            item.scale = scale
    return response


def classify_response(answer: ClassifyAnswer) -> pb.ClassifyResponse:
    """Return the answer to a classify request, each input's labels best first, ties in the labels' order."""
    classified = answer.classified
    response = _fill_head(pb.ClassifyResponse(), answer.model, classified.result.tokens)
    order = np.argsort(-classified.scores, axis=1, kind="stable")[:, : answer.top_k]  # [rows, labels told]
    scores = np.take_along_axis(classified.scores, order, axis=1).tolist()
    assigned = np.take_along_axis(classified.assigned, order, axis=1).tolist()
    rows = zip(order.tolist(), scores, assigned, strict=True)
    for output in classified.result.outputs:
        item = response.data.add()
        if isinstance(output, JubakoError):
            item.error.CopyFrom(rich_status(output))
            continue
        item.labels.SetInParent()
        for at, score, told in zip(*next(rows), strict=True):
            label = classified.labels[at]
            item.labels.labels.add(label=label.label, name=label.name, score=score, assigned=told)
    return response


def recommend_response(answer: RecommendAnswer) -> pb.RecommendResponse:
    """Return the answer to a recommend request."""
    recommended = answer.recommended
    response = _fill_head(pb.RecommendResponse(), answer.model, recommended.spent.tokens)
    response.strategy = STRATEGIES[recommended.strategy]
    response.cold_start = recommended.cold_start
    response.unknown.extend(recommended.unknown)
    for item in recommended.items:
        _fill_item(response.items.add(id=item.id, score=float(item.score)), item)
    return response


def _fill_head(response: ResponseT, model: Served, tokens: int) -> ResponseT:
    response.model = model.manifest.name
    response.version = model.manifest.version
    response.usage.tokens = tokens
    return response


def _fill_item(told: pb.RecommendedItem, item: Item) -> None:
    if item.title is not None:
        told.title = item.title
    for reason in item.reasons or ():
        _fill_reason(told.reasons.add(), reason)


def _fill_reason(told: pb.Reason, reason: Reason) -> None:
    match reason:
        case Nearest():
            told.kind = pb.Reason.KIND_NEAREST
            _set(told, id=reason.id, title=reason.title, similarity=reason.similarity)
        case Shared():
            told.kind = pb.Reason.KIND_SHARED
            told.field = reason.field
            told.values.extend(reason.values)
        case ScoreParts():
            told.kind = pb.Reason.KIND_SCORE
            _set(told, similarity=reason.similarity, cosine=reason.cosine, popularity=reason.popularity)


def _set(message: pb.Reason, **fields: object) -> None:
    for name, value in fields.items():
        if value is not None:
            setattr(message, name, float(value) if isinstance(value, np.floating) else value)
