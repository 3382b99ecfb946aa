"""`POST /embed` and `POST /v1/embeddings`: one query to the core, two shapes."""

from collections.abc import Sequence
from typing import Any

from serving.api.asgi import Answer, Request, json_answer
from serving.api.parsing import parse
from serving.api.schemas import EmbedBody, OpenAIBody
from serving.api.timing import server_timing, timeout_ms
from serving.core import Core
from serving.errors import JubakoError
from serving.model import Result
from serving.queries import EmbedAnswer, EmbedQuery
from serving.vectors import VectorForm


async def embed(core: Core, request: Request) -> Answer:
    """Answer `POST /embed`."""
    body = parse(EmbedBody, request.body, request.header(b"content-type"))
    query = embed_query(body, timeout_ms(request))
    answer = await core.embed(query)
    return json_answer(
        embed_payload(answer, query.form), headers=[server_timing(answer.result)], dense=_is_dense(query.form)
    )


async def openai_embeddings(core: Core, request: Request) -> Answer:
    """Answer `POST /v1/embeddings`; its shape has no errors for single inputs, so the first one fails the request."""
    body = parse(OpenAIBody, request.body, request.header(b"content-type"))
    form = VectorForm(dimensions=body.dimensions, encoding=body.encoding_format)
    query = EmbedQuery(_listed(body.input), body.model, form=form, timeout_ms=timeout_ms(request))
    answer = await core.embed(query)
    for output in answer.result.outputs:
        if isinstance(output, JubakoError):
            raise output
    return json_answer(_openai_payload(answer, form), headers=[server_timing(answer.result)], dense=_is_dense(form))


def embed_query(body: EmbedBody, timeout_ms: float | None = None) -> EmbedQuery:
    """Turn a validated body into the core's query."""
    form = VectorForm(body.dimensions, body.normalize, body.output_dtype, body.encoding_format)
    return EmbedQuery(_listed(body.inputs), body.model, body.prompt, body.truncate, form, timeout_ms)


def embed_payload(answer: EmbedAnswer, form: VectorForm) -> dict[str, Any]:
    """Return the JSON value of `POST /embed`, vectors as numpy arrays or base64."""
    return {
        "model": answer.model.manifest.name,
        "version": answer.model.manifest.version,
        "data": _items(answer.result, form),
        "usage": {"tokens": answer.result.tokens},
    }


def _is_dense(form: VectorForm) -> bool:
    return form.encoding == "base64" and form.dtype.startswith("float")


def _listed(inputs: str | list[Any]) -> list[object]:
    return [inputs] if isinstance(inputs, str) else inputs


def _items(result: Result, form: VectorForm) -> Sequence[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for index, output in enumerate(result.outputs):
        if isinstance(output, JubakoError):
            items.append({"index": index, "error": output.body()})
            continue
        embedding, scale = form.apply(output)
        items.append({"index": index, "embedding": embedding})
        if scale is not None:
            items[-1]["scale"] = scale
    return items


def _openai_payload(answer: EmbedAnswer, form: VectorForm) -> dict[str, Any]:
    tokens = answer.result.tokens
    return {
        "object": "list",
        "model": answer.model.manifest.name,
        "data": [{"object": "embedding", **item} for item in _items(answer.result, form)],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
