"""The core: the one object that every transport calls. It knows models and requests, and no transport."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from time import monotonic
from typing import Protocol, cast

from bundle.manifest import Task
from serving.access.caller import permitted, usable
from serving.access.records import Endpoint
from serving.classifier_model import ClassifierModel
from serving.classifying import Classified
from serving.errors import Code, JubakoError
from serving.model import Result, Served
from serving.queries import ClassifyAnswer, ClassifyQuery, EmbedAnswer, EmbedQuery, RecommendAnswer, RecommendQuery
from serving.recommender.answers import Asked, Recommended
from serving.recommender.model import RecommenderModel
from serving.releases import comparing
from serving.releases.shadowing import Copy
from serving.releases.splitting import key_of, people_in
from serving.releases.versions import Release, Version
from serving.settings import Settings
from serving.telemetry.request_context import note_model, of_no_request
from serving.text_model import TextModel


class Embedder(Served, Protocol):
    """What gives vectors: a text encoder, or a recommender."""

    async def embed(
        self, inputs: Sequence[object], *, deadline: float, prompt: str | None = None, truncate: bool = True
    ) -> Result:
        """Return the vectors of inputs, an error in the place of each that is at fault."""


class Core:
    """The models that are served, by name. A request is answered by one version of its model from begin to end."""

    def __init__(self, models: Mapping[str, Served], settings: Settings) -> None:
        self.releases = {name: Release(Version(model)) for name, model in models.items()}
        self.settings = settings
        self.stopping = False
        """Set when the server was told to stop: it is not ready then, though it still answers."""
        self._probe: asyncio.Task[None] | None = None

    @property
    def models(self) -> dict[str, Served]:
        """The active versions of all models."""
        return {name: release.active.model for name, release in self.releases.items()}

    async def embed(self, query: EmbedQuery) -> EmbedAnswer:
        """Embed the inputs of one request.

        Raises:
            JubakoError: nothing of the request can be answered; an input at fault is told in its place instead, as
                long as another one is in order.
        """
        deadline = self._deadline(query.timeout_ms)
        key = key_of(people_in(query.inputs))
        version = self.model_for(Task.EMBED, query.model, key)
        manifest = version.model.manifest
        note_model(manifest, len(query.inputs))
        query.form.check(manifest.dimensions or 0, bool(manifest.normalized), manifest.matryoshka)
        self._check_count(len(query.inputs))
        with version.answering() as model:
            result = await _embed(model, query, deadline)
            _raise_if_none_is_in_order(result)

        async def copy(other: Version) -> comparing.Agreement | None:
            return comparing.of_vectors(result, await _embed(other.model, query, self._deadline(None)))

        self._copy(version, key, copy)
        return EmbedAnswer(model, result)

    async def classify(self, query: ClassifyQuery) -> ClassifyAnswer:
        """Classify the inputs of one request, by a classifier's labels or by labels of the caller's.

        Raises:
            JubakoError: as `embed`.
        """
        deadline = self._deadline(query.timeout_ms)
        self._check_count(len(query.inputs))
        key = key_of(())
        if query.candidate_labels is None:
            version = self.model_for(Task.CLASSIFY, query.model, key)
        else:
            version = self._encoder_for(query.model, key)
        note_model(version.model.manifest, len(query.inputs))
        with version.answering() as model:
            classified = await _classify(version, query, deadline)
            _raise_if_none_is_in_order(classified.result)

        async def copy(other: Version) -> comparing.Agreement | None:
            return comparing.of_labels(classified, await _classify(other, query, self._deadline(None)))

        self._copy(version, key, copy)
        return ClassifyAnswer(model, classified, query.top_k)

    async def recommend(self, query: RecommendQuery) -> RecommendAnswer:
        """Answer one request for recommendations.

        Raises:
            JubakoError: as `RecommenderModel.recommend`.
        """
        deadline = self._deadline(query.timeout_ms)
        key = key_of([query.asked.user])
        version = self.model_for(Task.RECOMMEND, query.model, key)
        note_model(version.model.manifest)
        with version.answering() as model:
            recommended = await _recommend(model, query.asked, deadline)

        async def copy(other: Version) -> comparing.Agreement | None:
            shadowed = await _recommend(other.model, query.asked, self._deadline(None))
            return comparing.of_items(recommended.items, shadowed.items)

        self._copy(version, key, copy)
        return RecommendAnswer(model, recommended)

    def model_for(self, task: Task, name: str | None, key: str = "") -> Version:
        """Return the named model, or the first that can do the task, in the version that answers whoever has `key`.

        A name may ask for a version that is loaded, as `name:version`.

        Raises:
            JubakoError: `unknown_model`, naming the loaded models that can; `forbidden`, when the caller may not.
        """
        bare = _bare(name)
        able = {each: release for each, release in self.releases.items() if task in release.tasks}
        able = dict(permitted(able, name, Endpoint(task)))
        if name is None and able:
            return next(iter(able.values())).pick(key)
        if name is not None and bare in able:
            return _version(able[bare], name, key)
        if name is not None and bare not in self.releases:
            raise self.unknown_model(name, able)
        told = ", ".join(sorted(able)) or "none"
        who = f"model {name!r} cannot {task}" if name is not None else f"no loaded model can {task}"
        raise JubakoError(Code.UNKNOWN_MODEL, f"{who}; loaded models that can: {told}", param="model")

    def unknown_model(self, name: str, known: Collection[str] | None = None) -> JubakoError:
        """Return the error that tells which models there are."""
        loaded = ", ".join(sorted(usable(self.releases) if known is None else known)) or "none"
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
        readiness, model = self.settings.readiness, self.releases[name].active.model
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
        for release in self.releases.values():
            for version in release.loaded.values():
                version.model.close()

    def _refuse_when_stopping(self) -> None:
        if self.stopping:
            raise JubakoError(Code.NOT_READY, "the server is stopping; send requests to another one", retry_after_s=1)

    async def _check_models(self) -> None:
        for name in self.releases:
            await self.check_model(name)

    def _encoder_for(self, name: str | None, key: str) -> Version:
        """Return the version of a text encoder that classifies by labels of the caller's."""
        texts = {
            each: release for each, release in self.releases.items() if isinstance(release.active.model, TextModel)
        }
        texts = dict(permitted(texts, name, Endpoint.CLASSIFY))
        if name is None and texts:
            name = next(iter(texts))
        bare = _bare(name)
        if name is None or bare not in self.releases:
            raise self.unknown_model(name or "text", texts)
        if bare not in texts:
            told = ", ".join(sorted(texts)) or "none"
            message = f"model {name!r} takes no candidate_labels, text models do; loaded text models: {told}"
            raise JubakoError(Code.INVALID_VALUE, message, param="model")
        return _version(texts[bare], name, key)

    def _copy(self, version: Version, key: str, copy: Copy) -> None:
        """Offer a request that the active version has answered to the shadow, if there is one."""
        release = self.releases.get(version.model.manifest.name)
        if release is not None and release.shadow is not None and version is release.active:
            release.shadow.offer(version.model, key, copy)

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


def _bare(name: str | None) -> str | None:
    """Return a model's name without the version that may follow it."""
    return None if name is None else name.partition(":")[0]


def _version(release: Release, name: str, key: str) -> Version:
    _, colon, version = name.partition(":")
    return release.named(version) if colon else release.pick(key)


async def _embed(model: Served, query: EmbedQuery, deadline: float) -> Result:
    embedder = cast(Embedder, model)
    return await embedder.embed(query.inputs, deadline=deadline, prompt=query.prompt, truncate=query.truncate)


async def _classify(version: Version, query: ClassifyQuery, deadline: float) -> Classified:
    if query.candidate_labels is None:
        return await cast(ClassifierModel, version.model).classify(
            query.inputs, deadline=deadline, threshold=query.threshold, truncate=query.truncate
        )
    assert version.zero_shot is not None
    return await version.zero_shot.classify(
        query.inputs, query.candidate_labels, deadline=deadline, threshold=query.threshold, truncate=query.truncate
    )


async def _recommend(model: Served, asked: Asked, deadline: float) -> Recommended:
    return await cast(RecommenderModel, model).recommend(asked, deadline=deadline)


def _raise_if_none_is_in_order(result: Result) -> None:
    errors = result.errors
    if len(errors) == len(result.outputs):
        raise errors[0]
