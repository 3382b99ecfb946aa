"""Classification by labels that nobody was trained on: a text encoder, and how near inputs are to sentences of labels.

Yin, Hay and Roth 2019, "Benchmarking zero-shot text classification", with an encoder in place of entailment.
"""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.clean import Cleaning
from features.labels import Assigned, Scores
from features.records import RECORDS, Kind, RecordError, parse_record
from serving.classifying import Classified, LabelName, stack_outputs
from serving.errors import JubakoError
from serving.text_model import TextModel

TEMPLATE = "This text is about {label}."
"""Told the right label more often than the bare label for arXiv abstracts, and as often for book blurbs."""
TEMPERATURE = 0.05
"""Divides cosines, which for encoders of sentences differ by tenths at most. Of 0.01 to 0.2 the log loss of
all-MiniLM-L6-v2 was lowest here for arXiv abstracts among 20 subjects, and at 0.04 for blurbs among 21 genres."""
CACHED_LABELS = 4096
"""Labels of each model whose vectors are kept: some 6 MB at 384 dimensions."""

CLEANING: dict[Kind, Cleaning] = {"book": Cleaning(), "paper": Cleaning(latex="simplify")}


class ZeroShot:
    """Scores inputs against labels that a request brings, with one text encoder."""

    def __init__(self, model: TextModel) -> None:
        self.model = model
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        """Unit vectors of labels, least recently used first."""

    async def classify(
        self,
        inputs: Sequence[object],
        labels: Sequence[str],
        *,
        deadline: float,
        threshold: float | None = None,
        truncate: bool = True,
    ) -> Classified:
        """Score texts and records against labels; the scores of an input sum to one.

        Assigned is the best label, or with a `threshold` every label that reaches it.

        Raises:
            JubakoError: `overloaded` or `deadline`.
        """
        of_labels = await self._label_vectors(labels, deadline)  # [labels, dimensions]
        result = await self.model.run(inputs, self._read, deadline=deadline, truncate=truncate)
        vectors = _unit(stack_outputs(result, of_labels.shape[1]))  # [rows, dimensions]
        scores = softmax(vectors @ of_labels.T / TEMPERATURE)  # [rows, labels]
        names = tuple(LabelName(label, label) for label in labels)
        return Classified(names, scores, _assign(scores, threshold), result)

    async def _label_vectors(self, labels: Sequence[str], deadline: float) -> NDArray[np.float32]:
        cached = {label: self._vectors[label] for label in labels if label in self._vectors}
        missing = [label for label in labels if label not in cached]
        known = cached | (await self._embed_labels(missing, deadline) if missing else {})
        for label, vector in known.items():
            self._vectors[label] = vector
            self._vectors.move_to_end(label)
        while len(self._vectors) > CACHED_LABELS:
            self._vectors.popitem(last=False)
        return np.stack([known[label] for label in labels])

    async def _embed_labels(self, labels: Sequence[str], deadline: float) -> dict[str, NDArray[np.float32]]:
        sentences = [self.model.prefix() + TEMPLATE.format(label=label.strip()) for label in labels]
        result = await self.model.run(sentences, str, deadline=deadline)
        for error in result.errors.values():
            raise JubakoError(error.code, error.message, param="candidate_labels")
        return dict(zip(labels, _unit(stack_outputs(result, 0)), strict=True))

    def _read(self, value: object) -> str:
        return self.model.prefix() + text_of_any(value)


def text_of_any(value: object) -> str:
    """Return the text of a bare string, or of a record whose fields tell what kind it is.

    Raises:
        RecordError: it is neither, or holds no text.
    """
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, dict):
        kind: Kind = "paper" if "abstract" in value else "book"
        record = RECORDS[kind]
        text = parse_record(kind, value).text(record.essential, CLEANING[kind])
    else:
        raise RecordError(None, "an input must be a string or an object with the fields of a book or a paper")
    if not text:
        raise RecordError(None, "the text is blank")
    return text


def softmax(logits: NDArray[np.float32]) -> Scores:
    """Return the softmax of each row of logits [rows, labels]."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: Scores = raised / raised.sum(axis=1, keepdims=True)
    return scores


def _assign(scores: Scores, threshold: float | None) -> Assigned:
    assigned: Assigned
    if threshold is not None:
        assigned = scores >= np.float32(threshold)
    else:
        assigned = np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
    return assigned


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(norms, np.float32(1e-12))
    return unit
