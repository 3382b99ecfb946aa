"""From the core's answers to tensors."""

import numpy as np
import orjson

from serving.api.oip.tensors import Tensor
from serving.api.recommend import reason_of
from serving.errors import JubakoError
from serving.model import Result
from serving.queries import ClassifyAnswer, EmbedAnswer, RecommendAnswer
from serving.recommender.answers import Item
from serving.vectors import VectorForm


def of_embed(answer: EmbedAnswer, form: VectorForm) -> list[Tensor]:
    """Return `embedding` [inputs, dimensions] and, for int8, `scale` [inputs].

    Raises:
        JubakoError: the first that an input met.
    """
    _refuse_errors(answer.result)
    applied = [form.apply(output) for output in answer.result.outputs if not isinstance(output, JubakoError)]
    rows = [row for row, _ in applied if not isinstance(row, str)]
    scales = [scale for _, scale in applied if scale is not None]
    scale = [Tensor.of_array("scale", np.array(scales, dtype=np.float32))] if scales else []
    return [Tensor.of_array("embedding", np.stack(rows)), *scale]


def of_classify(answer: ClassifyAnswer) -> list[Tensor]:
    """Return `label`, `name`, `score` and `assigned`, all [inputs, labels told], best first, ties in the labels' order.

    Raises:
        JubakoError: the first that an input met.
    """
    classified = answer.classified
    _refuse_errors(classified.result)
    order = np.argsort(-classified.scores, axis=1, kind="stable")[:, : answer.top_k]  # [inputs, labels told]
    labels = [label.encode() for label, _ in classified.labels]
    names = [name.encode() for _, name in classified.labels]
    told = order.ravel().tolist()
    return [
        Tensor.of_bytes("label", [labels[at] for at in told], order.shape),
        Tensor.of_bytes("name", [names[at] for at in told], order.shape),
        Tensor.of_array("score", np.take_along_axis(classified.scores, order, axis=1).astype(np.float32, copy=False)),
        Tensor.of_array("assigned", np.take_along_axis(classified.assigned, order, axis=1)),
    ]


def of_recommend(answer: RecommendAnswer, explained: bool) -> list[Tensor]:
    """Return `id`, `title` and `score` [items], `reasons` [items] where they are `explained`, and what they rest on.

    An item without a title has an empty one.
    """
    recommended = answer.recommended
    items = recommended.items
    reasons = [Tensor.of_bytes("reasons", [_reasons(item) for item in items])] if explained else []
    return [
        Tensor.of_bytes("id", [item.id.encode() for item in items]),
        Tensor.of_bytes("title", [(item.title or "").encode() for item in items]),
        Tensor.of_array("score", np.array([item.score for item in items], dtype=np.float32)),
        *reasons,
        Tensor.of_bytes("strategy", [recommended.strategy.encode()]),
        Tensor.of_array("cold_start", np.array([recommended.cold_start])),
        Tensor.of_bytes("unknown", [name.encode() for name in recommended.unknown]),
    ]


def _reasons(item: Item) -> bytes:
    return orjson.dumps([reason_of(reason) for reason in item.reasons or ()], option=orjson.OPT_SERIALIZE_NUMPY)


def _refuse_errors(result: Result) -> None:
    for error in result.errors.values():
        raise error
