"""The core: the one object that every transport calls. It knows models and requests, and no transport."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, cast

from bundle.manifest import Task
from serving.classifier_model import ClassifierModel
from serving.classifying import Classified
from serving.errors import Code, JubakoError
from serving.model import Result, Served
from serving.recommender_model import RecommenderModel
from serving.recommending import Asked, Recommended
from serving.request_context import note_model, of_no_request
from serving.settings import Settings
from serving.text_model import TextModel
from serving.vectors import AS_IT_IS, VectorForm
from serving.zero_shot import ZeroShot


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

    model: Served
    result: Result


class Embedder(Served, Protocol):
    """What gives vectors: a text encoder, or a recommender."""

    async def embed(
        self, inputs: Sequence[object], *, deadline: float, prompt: str | None = None, truncate: bool = True
    ) -> Result:
        """Return the vectors of inputs, an error in the place of each that is at fault."""


@dataclass(frozen=True)
class ClassifyQuery:
    """What every transport turns a classify request into."""

    inputs: list[object]
    model: str | None = None
    top_k: int | None = None
    """Best labels to tell; None: all."""
    threshold: float | None = None
    """Takes the place of the labels' own thresholds."""
    candidate_labels: list[str] | None = None
    """Labels to choose from, with a text encoder, in place of a classifier's own."""
    truncate: bool = True
    timeout_ms: float | None = None


@dataclass(frozen=True)
class ClassifyAnswer:
    """What a transport formats."""

    model: Served
    classified: Classified
    top_k: int | None


@dataclass(frozen=True)
class RecommendQuery:
    """What every transport turns a recommend request into."""

    asked: Asked
    model: str | None = None
    timeout_ms: float | None = None


@dataclass(frozen=True)
class RecommendAnswer:
    """What a transport formats."""

    model: Served
    recommended: Recommended


class Core:
    """The models that are served, by name."""

    def __init__(self, models: Mapping[str, Served], settings: Settings) -> None:
        self.models = dict(models)
        self.settings = settings
        self.stopping = False
        """Set when the server was told to stop: it is not ready then, though it still answers."""
        self._zero_shot: dict[str, ZeroShot] = {}
        self._probe: asyncio.Task[None] | None = None

    async def embed(self, query: EmbedQuery) -> EmbedAnswer:
        """Embed the inputs of one request.

        Raises:
            JubakoError: nothing of the request can be answered; an input at fault is told in its place instead, as
                long as another one is in order.
        """
        deadline = self._deadline(query.timeout_ms)
        model = cast(Embedder, self.model_for(Task.EMBED, query.model))
        manifest = model.manifest
        note_model(manifest, len(query.inputs))
        query.form.check(manifest.dimensions or 0, bool(manifest.normalized), manifest.matryoshka)
        self._check_count(len(query.inputs))
        result = await model.embed(query.inputs, deadline=deadline, prompt=query.prompt, truncate=query.truncate)
        _raise_if_none_is_in_order(result)
        return EmbedAnswer(model, result)

    async def classify(self, query: ClassifyQuery) -> ClassifyAnswer:
        """Classify the inputs of one request, by a classifier's labels or by labels of the caller's.

        Raises:
            JubakoError: as `embed`.
        """
        deadline = self._deadline(query.timeout_ms)
        self._check_count(len(query.inputs))
        if query.candidate_labels is None:
            model = cast(ClassifierModel, self.model_for(Task.CLASSIFY, query.model))
            note_model(model.manifest, len(query.inputs))
            classified = await model.classify(
                query.inputs, deadline=deadline, threshold=query.threshold, truncate=query.truncate
            )
            _raise_if_none_is_in_order(classified.result)
            return ClassifyAnswer(model, classified, query.top_k)
        encoder = self._zero_shot_for(query.model)
        note_model(encoder.model.manifest, len(query.inputs))
        classified = await encoder.classify(
            query.inputs, query.candidate_labels, deadline=deadline, threshold=query.threshold, truncate=query.truncate
        )
        _raise_if_none_is_in_order(classified.result)
        return ClassifyAnswer(encoder.model, classified, query.top_k)

    async def recommend(self, query: RecommendQuery) -> RecommendAnswer:
        """Answer one request for recommendations.

        Raises:
            JubakoError: as `RecommenderModel.recommend`.
        """
        deadline = self._deadline(query.timeout_ms)
        model = cast(RecommenderModel, self.model_for(Task.RECOMMEND, query.model))
        note_model(model.manifest)
        return RecommendAnswer(model, await model.recommend(query.asked, deadline=deadline))

    def model_for(self, task: Task, name: str | None) -> Served:
        """Return the named model, or the first that can do the task.

        Raises:
            JubakoError: `unknown_model`, naming the loaded models that can.
        """
        able = {key: model for key, model in self.models.items() if task in model.manifest.tasks}
        if name is None and able:
            return next(iter(able.values()))
        if name in able:
            return able[name]
        if name is not None and name not in self.models:
            raise self.unknown_model(name, able)
        told = ", ".join(sorted(able)) or "none"
        who = f"model {name!r} cannot {task}" if name is not None else f"no loaded model can {task}"
        raise JubakoError(Code.UNKNOWN_MODEL, f"{who}; loaded models that can: {told}", param="model")

    def unknown_model(self, name: str, known: Mapping[str, Served] | None = None) -> JubakoError:
        """Return the error that tells which models there are."""
        loaded = ", ".join(sorted(self.models if known is None else known)) or "none"
        return JubakoError(Code.UNKNOWN_MODEL, f"unknown model {name!r}; loaded models: {loaded}", param="model")

    async def check_ready(self) -> None:
        """Pass only when every model has computed something lately, by making it do so where it has not.

        Probes that come together share one inference.

        Raises:
            JubakoError: `not_ready`, saying which model did not answer, or that the server stops.
        """
        self._refuse_when_stopping()
        if self._probe is None or self._probe.done():
            self._probe = asyncio.ensure_future(self._check_models())
        await asyncio.shield(self._probe)

    async def check_model(self, name: str) -> None:
        """Pass only when a loaded model has computed something lately, by making it do so where it has not.

        Raises:
            JubakoError: `not_ready`, as `check_ready`.
        """
        self._refuse_when_stopping()
        readiness, model = self.settings.readiness, self.models[name]
        if model.last_success_age_s * 1000 <= readiness.max_age_ms:
            return
        try:
            with of_no_request():
                await model.check(readiness.probe_timeout_ms / 1000)
        except JubakoError as error:
            raise JubakoError(
                Code.NOT_READY, f"model {name!r} did not answer its probe: {error.message}", retry_after_s=1
            ) from error

    def close(self) -> None:
        """Let running work end and free the models."""
        for model in self.models.values():
            model.close()

    def _refuse_when_stopping(self) -> None:
        if self.stopping:
            raise JubakoError(Code.NOT_READY, "the server is stopping; send requests to another one", retry_after_s=1)

    async def _check_models(self) -> None:
        for name in self.models:
            await self.check_model(name)

    def _zero_shot_for(self, name: str | None) -> ZeroShot:
        texts = {key: model for key, model in self.models.items() if isinstance(model, TextModel)}
        if name is None and texts:
            name = next(iter(texts))
        if name is None or name not in self.models:
            raise self.unknown_model(name or "text", texts)
        if name not in texts:
            told = ", ".join(sorted(texts)) or "none"
            message = f"model {name!r} takes no candidate_labels, text models do; loaded text models: {told}"
            raise JubakoError(Code.INVALID_VALUE, message, param="model")
        model = texts[name]
        return self._zero_shot.setdefault(model.manifest.name, ZeroShot(model))

    def _deadline(self, timeout_ms: float | None) -> float:
        return monotonic() + (timeout_ms or self.settings.limits.deadline_ms) / 1000

    def _check_count(self, inputs: int) -> None:
        limit = self.settings.limits.max_inputs
        if not inputs:
            raise JubakoError(Code.INVALID_VALUE, "inputs is empty; send at least one", param="inputs")
        if inputs > limit:
            raise JubakoError(
                Code.TOO_LARGE, f"{inputs} inputs in one request, the limit is {limit}; split it", param="inputs"
            )


def _raise_if_none_is_in_order(result: Result) -> None:
    errors = result.errors
    if len(errors) == len(result.outputs):
        raise errors[0]
