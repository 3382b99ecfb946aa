"""One inference: tensors and parameters to the core's query, through the bodies of the HTTP contract, and back.

An input at fault fails the whole request, since the protocol has no place for the errors of single inputs.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bundle.manifest import Task
from serving.access.caller import named
from serving.api.classify import classify_query
from serving.api.embed import embed_query
from serving.api.oip import answers, reading
from serving.api.oip.signatures import COMMON_PARAMETERS, Signature, choose
from serving.api.oip.tensors import Tensor
from serving.api.parsing import validated
from serving.api.recommend import recommend_query
from serving.api.recommend_schemas import RecommendBody
from serving.api.schemas import ClassifyBody, EmbedBody
from serving.api.timing import Timed
from serving.core import Core
from serving.errors import Code, JubakoError
from serving.model import Served
from serving.releases.splitting import key_of

Parameter = bool | int | float | str
Options = Mapping[str, Parameter]
Limit = float | None
INPUTS = "inputs"
PERSON = re.compile(r"^(person\.\d+)\.user\b")
"""An element of the tensor `person` is what the contract has under `user`."""
MICROSECONDS_PER_MS = 1000


@dataclass(frozen=True)
class Inference:
    """What both transports turn a request into."""

    model: str
    version: str
    """Empty: the one that is served."""
    inputs: Sequence[Tensor]
    outputs: Sequence[str]
    """Names of the tensors to answer with, in this order; empty: all that there are."""
    parameters: Mapping[str, Parameter]
    timeout_ms: float | None = None
    """What the transport allows; the parameter `timeout` may allow less."""


@dataclass(frozen=True)
class Inferred:
    """What both transports format."""

    model: Served
    outputs: list[Tensor]
    tokens: int
    timed: Timed


def served(core: Core, name: str, version: str = "") -> Served:
    """Return a model by its name and, unless that is empty, its version.

    Raises:
        JubakoError: `unknown_model` or `forbidden`.
    """
    release = named(core.releases, name).get(name)
    if release is None:
        raise core.unknown_model(name)
    if not version:
        return release.active.model
    try:
        return release.named(version).model
    except JubakoError as error:
        raise JubakoError(error.code, f"{error.message}; or leave the version out", param="version") from error


async def infer(core: Core, asked: Inference) -> Inferred:
    """Answer one inference request.

    Raises:
        JubakoError: as the core's methods; `invalid_value` for tensors or parameters that the model does not take.
    """
    inputs = {tensor.name: tensor for tensor in asked.inputs}
    model = served(core, asked.model, asked.version or _chosen(core, asked.model, inputs))
    names = [tensor.name for tensor in asked.inputs]
    signature = choose(core, model, names, asked.outputs, asked.parameters, asked.parameters.get("task"))
    options = {name: value for name, value in asked.parameters.items() if name not in COMMON_PARAMETERS}
    limit_ms = _limit_ms(asked)
    match signature.task:
        case Task.EMBED:
            inferred = await _embed(core, model, signature, inputs, options, limit_ms)
        case Task.CLASSIFY:
            inferred = await _classify(core, model, signature, inputs, options, limit_ms)
        case Task.RECOMMEND:
            explain = {"explain": True} if "reasons" in asked.outputs and "explain" not in options else {}
            inferred = await _recommend(core, model, inputs, {**options, **explain}, limit_ms)
    return _only(inferred, signature, asked.outputs)


async def _embed(
    core: Core, model: Served, signature: Signature, inputs: Mapping[str, Tensor], options: Options, limit_ms: Limit
) -> Inferred:
    name, values = reading.one_of(inputs, [port.name for port in signature.inputs])
    query = embed_query(validated(EmbedBody, {"model": _tag(model), INPUTS: values, **options}), limit_ms)
    try:
        answer = await core.embed(query)
        outputs = answers.of_embed(answer, query.form)
    except JubakoError as error:
        raise _in_place(error, INPUTS, name) from error
    return Inferred(model, outputs, answer.result.tokens, answer.result)


async def _classify(
    core: Core, model: Served, signature: Signature, inputs: Mapping[str, Tensor], options: Options, limit_ms: Limit
) -> Inferred:
    name, values = reading.one_of(inputs, [port.name for port in signature.inputs])
    labels = reading.json_options(options, ("candidate_labels",))
    body = {"model": _tag(model), INPUTS: values, **options, **labels}
    query = classify_query(validated(ClassifyBody, body), limit_ms)
    try:
        answer = await core.classify(query)
        outputs = answers.of_classify(answer)
    except JubakoError as error:
        raise _in_place(error, INPUTS, name) from error
    return Inferred(model, outputs, answer.classified.result.tokens, answer.classified.result)


async def _recommend(
    core: Core, model: Served, inputs: Mapping[str, Tensor], options: Options, limit_ms: Limit
) -> Inferred:
    conditions = reading.json_options(options, ("exclude", "filters"))
    body: dict[str, Any] = {"model": _tag(model), **reading.asked(inputs), **options, **conditions}
    query = recommend_query(validated(RecommendBody, body), limit_ms)
    try:
        answer = await core.recommend(query)
    except JubakoError as error:
        place = "user.id" if error.param == "user.id" else "user"
        raise _in_place(error, place, "user" if place == "user.id" else "") from error
    spent = answer.recommended.spent
    return Inferred(model, answers.of_recommend(answer, query.asked.explain), spent.tokens, spent)


def _chosen(core: Core, name: str, inputs: Mapping[str, Tensor]) -> str:
    """Return the version that answers whoever asks, empty where there is no choice: all of a request is one's."""
    release = core.releases.get(name)
    if release is None or release.canary is None:
        return ""
    people = [{"id": name} for name in reading.ids(inputs["user"])] if "user" in inputs else []
    return release.pick(key_of(people)).name


def _tag(model: Served) -> str:
    return f"{model.manifest.name}:{model.manifest.version}"


def _limit_ms(asked: Inference) -> float | None:
    given = asked.parameters.get("timeout")
    if given is None:
        return asked.timeout_ms
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        message = f"timeout has to be a whole number of microseconds above 0, not {given!r}"
        raise JubakoError(Code.INVALID_VALUE, message, param="timeout")
    limit_ms = given / MICROSECONDS_PER_MS
    return limit_ms if asked.timeout_ms is None else min(limit_ms, asked.timeout_ms)


def _only(inferred: Inferred, signature: Signature, wanted: Sequence[str]) -> Inferred:
    """Return the outputs that were asked for, in their order; all of them where none was."""
    if not wanted:
        return inferred
    made = {tensor.name: tensor for tensor in inferred.outputs}
    for name in wanted:
        if name not in made:
            raise JubakoError(Code.INVALID_VALUE, f"{name} is not there {HOW_TO_GET[name]}", param=name)
    return Inferred(inferred.model, [made[name] for name in wanted], inferred.tokens, inferred.timed)


HOW_TO_GET = {
    "scale": "without the parameter output_dtype: int8",
    "reasons": "while the parameter explain is false",
}


def _in_place(error: JubakoError, whole: str, tensor: str) -> JubakoError:
    """Return an error of the body's part `whole` as one of the tensor that it came in."""
    param = error.param
    if param == whole:
        param = tensor or whole
    elif param is not None and param.startswith(f"{whole}."):
        param = f"{tensor}.{param.removeprefix(f'{whole}.')}".removeprefix(".")
        param = PERSON.sub(r"\1", param)
    return JubakoError(error.code, error.message, param=param, retry_after_s=error.retry_after_s)
