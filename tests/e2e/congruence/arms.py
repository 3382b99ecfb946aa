"""The ways to the core: each says a call in its own words, and tells what came of it in the common ones."""

import asyncio
from typing import Any, Protocol

import httpx
import openai

from serving.api.classify import classify_payload, classify_query
from serving.api.embed import embed_payload, embed_query
from serving.api.parsing import validated
from serving.api.recommend import recommend_payload, recommend_query
from serving.api.recommend_schemas import RecommendBody
from serving.api.schemas import ClassifyBody, EmbedBody
from serving.core import Core
from serving.errors import JubakoError
from tests.e2e.congruence.calls import Call
from tests.e2e.congruence.outcomes import Outcome, as_a_whole, plain, refused


class Unsayable(Exception):
    """A transport has no words for a call; the reason is the message."""


class Arm(Protocol):
    """One way."""

    name: str

    def ask(self, call: Call) -> Outcome:
        """Make a call and return what came of it, or raise `Unsayable`."""

    def seen(self, outcome: Outcome) -> Outcome:
        """Return what this way tells of an outcome."""


class InProcess:
    """The core itself, behind the checks that all transports share."""

    name = "in-process"

    def __init__(self, core: Core, runner: asyncio.Runner) -> None:
        self._core = core
        self._runner = runner

    def ask(self, call: Call) -> Outcome:
        try:
            payload = self._runner.run(self._answer(call))
        except JubakoError as error:
            return refused(error.code.value, error.param)
        outcome: Outcome = plain(payload, call.body.get("output_dtype", "float32"))
        return outcome

    def seen(self, outcome: Outcome) -> Outcome:
        return outcome

    async def _answer(self, call: Call) -> dict[str, Any]:
        if call.task == "embed":
            query = embed_query(validated(EmbedBody, call.body))
            return embed_payload(await self._core.embed(query), query.form)
        if call.task == "classify":
            return classify_payload(await self._core.classify(classify_query(validated(ClassifyBody, call.body))))
        return recommend_payload(await self._core.recommend(recommend_query(validated(RecommendBody, call.body))))


class Http:
    """HTTP, whose words all calls are in."""

    name = "HTTP"

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def ask(self, call: Call) -> Outcome:
        response = self._client.post(f"/{call.task}", json=call.body)
        outcome: Outcome = plain(response.json(), call.body.get("output_dtype", "float32"))
        assert ("error" in outcome) == (response.status_code >= 400)
        return outcome

    def seen(self, outcome: Outcome) -> Outcome:
        return outcome


OPENAI_EMBEDS = "it embeds and does nothing else"
OPENAI_NAMES = "the model is always named"
OPENAI_OPTIONS = "it has dimensions and encoding_format, and no other options"
OPENAI_DEFAULTS = {"prompt": None, "normalize": None, "output_dtype": "float32", "truncate": True}


class OpenAi:
    """OpenAI's client."""

    name = "OpenAI client"

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def ask(self, call: Call) -> Outcome:
        body = dict(call.body)
        if call.task != "embed":
            raise Unsayable(OPENAI_EMBEDS)
        inputs, model = body.pop("inputs"), body.pop("model")
        if model is None:
            raise Unsayable(OPENAI_NAMES)
        options = {name: body.pop(name) for name in ("dimensions", "encoding_format") if name in body}
        if any(value != OPENAI_DEFAULTS[name] for name, value in body.items()):
            raise Unsayable(OPENAI_OPTIONS)
        try:
            answer = self._client.embeddings.create(model=model, input=inputs, **options)
        except openai.APIStatusError as error:
            return {"error": {"code": error.code}}
        data = [{"embedding": plain({"embedding": item.embedding})["embedding"]} for item in answer.data]
        return {"model": answer.model, "data": data, "usage": {"tokens": answer.usage.total_tokens}}

    def seen(self, outcome: Outcome) -> Outcome:
        return {name: value for name, value in as_a_whole(outcome).items() if name != "version"}
