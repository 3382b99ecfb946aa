"""A classifier that is being served: the way of a record to the scores of its labels and to what is assigned."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import numpy as np

from bundle.manifest import Manifest
from features.labels import Assigned, LabelSet, Scores
from features.pipeline import Pipeline
from features.records import RecordError
from serving.classifying import Classified, LabelName, stack_outputs
from serving.coalescing import InPlace
from serving.model import Model, Placement
from serving.scheduler import Backend


class Undecided(NamedTuple):
    """What the graph has told of one request's inputs."""

    scores: Scores
    """Not calibrated, [rows, labels]."""
    threshold: float | None


class ClassifierModel(Model):
    """Turns records into rows, and the graph's scores into decisions."""

    def __init__(
        self,
        manifest: Manifest,
        placement: Placement,
        pipeline: Pipeline,
        labels: LabelSet,
        backend: Backend,
        encode_threads: int = 1,
    ) -> None:
        super().__init__(manifest, placement, pipeline.features, backend, encode_threads, light=pipeline.light)
        self.labels = labels
        self._pipeline = pipeline
        self._decided: Callable[[Undecided], Awaitable[tuple[Scores, Assigned]]] = InPlace(self._decide)
        self._names = tuple(LabelName(label.label, label.name) for label in labels.labels)

    @property
    def longest_input(self) -> str:
        """How much the model reads, for people."""
        ngrams = self._pipeline.config.ngrams
        return f"{ngrams.max_chars} characters" if self._pipeline.light and ngrams else super().longest_input

    async def classify(
        self, inputs: Sequence[object], *, deadline: float, threshold: float | None = None, truncate: bool = True
    ) -> Classified:
        """Classify texts and records; `deadline` is a time of `time.monotonic`.

        A `threshold` takes the place of every label's own. An input that is no record of the model's kind, or holds no
        text, or is too long while `truncate` is false, is answered by its own error.

        Raises:
            JubakoError: `overloaded` or `deadline`.
        """
        result = await self.run(inputs, self._read, deadline=deadline, truncate=truncate)
        outputs = stack_outputs(result, len(self._names))  # [rows, labels]
        scores, assigned = await self._decided(Undecided(outputs, threshold))
        return Classified(self._names, scores, assigned, result)

    def close(self) -> None:
        """Let running work end and stop the threads."""
        super().close()
        del self._decided  # as for the model's own reference to itself

    def _decide(self, requests: Sequence[Undecided]) -> list[tuple[Scores, Assigned]]:
        """Calibrate and decide the requests of one micro-batch together: most have one row, and all cost one call."""
        scores = self.labels.calibrate(np.concatenate([request.scores for request in requests]))  # [all rows, labels]
        edges = np.cumsum([len(request.scores) for request in requests])[:-1]
        assigned = self.labels.assign(scores)  # [all rows, labels]
        return [
            (own, ruled if request.threshold is None else self.labels.assign(own, request.threshold))
            for request, own, ruled in zip(requests, np.split(scores, edges), np.split(assigned, edges), strict=True)
        ]

    def _read(self, value: object) -> str:
        try:
            text = self._pipeline.text_of(value)
        except RecordError as error:
            if isinstance(value, str):  # the field that a bare string stands for is nothing the caller has named
                raise RecordError(None, "the text is blank") from error
            raise
        if not text:
            read = " or ".join(self._pipeline.config.fields)
            raise RecordError(None, f"nothing is left of the text once it is cleaned; send words in {read}")
        return text
