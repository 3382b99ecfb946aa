"""`POST /classify`. An answer holds some fifty labels an input, so it is laid together from bytes made beforehand."""

from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from serving.api.asgi import Answer, Request
from serving.api.parsing import parse
from serving.api.schemas import ClassifyBody
from serving.api.timing import server_timing, timeout_ms
from serving.classifying import Classified, LabelName
from serving.core import Core
from serving.queries import ClassifyAnswer, ClassifyQuery

TAILS = {False: b',"assigned":false},', True: b',"assigned":true},'}


async def classify(core: Core, request: Request) -> Answer:
    """Answer `POST /classify`."""
    body = parse(ClassifyBody, request.body, request.header(b"content-type"))
    answer = await core.classify(classify_query(body, timeout_ms(request)))
    return Answer(answer_bytes(answer), headers=[server_timing(answer.classified.result)])


def classify_query(body: ClassifyBody, timeout_ms: float | None = None) -> ClassifyQuery:
    """Turn a validated body into the core's query."""
    inputs = body.inputs if isinstance(body.inputs, list) else [body.inputs]
    return ClassifyQuery(
        inputs, body.model, body.top_k, body.threshold, body.candidate_labels, body.truncate, timeout_ms
    )


def classify_payload(answer: ClassifyAnswer) -> dict[str, Any]:
    """Return the JSON value of `POST /classify`."""
    payload: dict[str, Any] = orjson.loads(answer_bytes(answer))
    return payload


def answer_bytes(answer: ClassifyAnswer) -> bytes:
    """Return the body of the answer to `POST /classify`."""
    manifest, result = answer.model.manifest, answer.classified.result
    labelled = iter(label_lists(answer.classified, answer.top_k))
    errors = result.errors
    items = [
        b'{"index":%d,"error":%b}' % (place, orjson.dumps(errors[place].body()))
        if place in errors
        else b'{"index":%d,"labels":[%b]}' % (place, next(labelled))
        for place in range(len(result.outputs))
    ]
    return b'{"model":%b,"version":%b,"data":[%b],"usage":{"tokens":%d}}' % (
        orjson.dumps(manifest.name), orjson.dumps(manifest.version), b",".join(items), result.tokens
    )  # fmt: skip


def label_lists(classified: Classified, top_k: int | None) -> list[bytes]:
    """Return for each row its labels as JSON objects with commas between, best first, ties in the labels' order."""
    rows, labels = classified.scores.shape
    order = np.argsort(-classified.scores, axis=1, kind="stable")[:, :top_k]  # [rows, labels told]
    places = (order + np.arange(0, rows * labels, labels)[:, None]).ravel()
    scores, assigned = classified.scores.ravel()[places], classified.assigned.ravel()[places]
    heads = _heads(classified.labels)
    pieces = [b""] * (3 * order.size)
    pieces[0::3] = [heads[at] for at in order.ravel().tolist()]
    # orjson writes the fewest digits that are the same float32; from Python floats it would write seventeen
    pieces[1::3] = orjson.dumps(scores, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",") if order.size else []
    pieces[2::3] = [TAILS[told] for told in assigned.tolist()]
    step = 3 * order.shape[1]
    return [b"".join(pieces[start : start + step])[:-1] for start in range(0, len(pieces), step)]


@lru_cache(maxsize=64)
def _heads(labels: tuple[LabelName, ...]) -> list[bytes]:
    """Return what stands before each label's score."""
    return [b'{"label":%b,"name":%b,"score":' % (orjson.dumps(label), orjson.dumps(name)) for label, name in labels]
