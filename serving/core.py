"""The core: the one object that every transport calls. It knows models and requests, and no transport."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from bundle.manifest import Task
from serving.errors import Code, JubakoError
from serving.settings import Settings
from serving.text_model import TextModel, TextResult
from serving.vectors import AS_IT_IS, VectorForm


@dataclass(frozen=True)
class EmbedQuery:
    """What every transport turns an embed request into."""

    inputs: list[object]
    model: str | None = None
    prompt: str | None = None
    truncate: bool = True
    form: VectorForm = AS_IT_IS
    timeout_ms: float | None = None


@dataclass(frozen=True)
class EmbedAnswer:
    """What a transport formats."""

    model: TextModel
    result: TextResult


class Core:
    """The models that are served, by name."""

    def __init__(self, models: Mapping[str, TextModel], settings: Settings) -> None:
        self.models = dict(models)
        self.settings = settings
        self._probe: asyncio.Task[None] | None = None

    async def embed(self, query: EmbedQuery) -> EmbedAnswer:
        """Embed the inputs of one request.

        Raises:
            JubakoError: nothing of the request can be answered; an input at fault is told in its place instead, as
                long as another one is in order.
        """
        deadline = monotonic() + (query.timeout_ms or self.settings.limits.deadline_ms) / 1000
        model = self.model_for(Task.EMBED, query.model)
        query.form.check(model.manifest.dimensions, model.manifest.normalized)
        self._check_count(len(query.inputs))
        result = await model.embed(query.inputs, deadline=deadline, prompt=query.prompt, truncate=query.truncate)
        errors = [output for output in result.outputs if isinstance(output, JubakoError)]
        if len(errors) == len(result.outputs):
            raise errors[0]
        return EmbedAnswer(model, result)

    def model_for(self, task: Task, name: str | None) -> TextModel:
        """Return the named model, or the first that can do the task.

        Raises:
            JubakoError: `unknown_model`, naming the models that are loaded.
        """
        able = {key: model for key, model in self.models.items() if task in model.manifest.tasks}
        if name is None and able:
            return next(iter(able.values()))
        if name in able:
            return able[name]
        raise self.unknown_model(name, able)

    def unknown_model(self, name: str | None, known: Mapping[str, TextModel] | None = None) -> JubakoError:
        """Return the error that tells which models there are."""
        loaded = ", ".join(sorted(self.models if known is None else known)) or "none"
        return JubakoError(Code.UNKNOWN_MODEL, f"unknown model {name!r}; loaded models: {loaded}", param="model")

    async def check_ready(self) -> None:
        """Pass only when every model has computed something lately, by making it do so where it has not.

        Probes that come together share one inference.

        Raises:
            JubakoError: `not_ready`, saying which model did not answer.
        """
        if self._probe is None or self._probe.done():
            self._probe = asyncio.ensure_future(self._check_models())
        await asyncio.shield(self._probe)

    def close(self) -> None:
        """Let running work end and free the models."""
        for model in self.models.values():
            model.close()

    async def _check_models(self) -> None:
        readiness = self.settings.readiness
        for name, model in self.models.items():
            if model.last_success_age_s * 1000 <= readiness.max_age_ms:
                continue
            try:
                await model.check(readiness.probe_timeout_ms / 1000)
            except JubakoError as error:
                raise JubakoError(
                    Code.NOT_READY, f"model {name!r} did not answer its probe: {error.message}", retry_after_s=1
                ) from error

    def _check_count(self, inputs: int) -> None:
        limit = self.settings.limits.max_inputs
        if not inputs:
            raise JubakoError(Code.INVALID_VALUE, "inputs is empty; send at least one text", param="inputs")
        if inputs > limit:
            raise JubakoError(
                Code.TOO_LARGE, f"{inputs} inputs in one request, the limit is {limit}; split it", param="inputs"
            )
