"""Whether a server answers what the graph computes: a server that computes something else is no comparison."""

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bundle.golden import cosine_rows
from features.labels import LabelSet, Scores
from loadtests.plan import Request
from loadtests.servers import Server

MIN_COSINE = 0.9999
"""Of a vector with the graph's own."""
MAX_ABS = 1e-4
"""Between a score and the graph's own."""


def check_vectors(server: Server, requests: Sequence[Request], vectors: NDArray[np.float32]) -> None:
    """Compare a server's answers to single-text requests with the graph's own vectors [requests, dimensions].

    Raises:
        ValueError: a vector is not the graph's.
    """
    answers = [json.loads(server.post("/embed", request.body)) for request in requests[: len(vectors)]]
    found = np.array([_first_vector(answer) for answer in answers], dtype=np.float32)
    worst = float(cosine_rows(found, vectors).min())
    if not worst >= MIN_COSINE:
        raise ValueError(f"the server on port {server.port} answers other vectors than the graph: cosine {worst:.5f}")


def check_scores(server: Server, requests: Sequence[Request], scores: Scores, labels: LabelSet) -> None:
    """Compare a server's answers to single-record requests with the graph's own scores [requests, labels], calibrated.

    Raises:
        ValueError: a score is not the graph's, or a label is missing.
    """
    answers = [json.loads(server.post("/classify", request.body)) for request in requests[: len(scores)]]
    found = np.array([_scores_of(answer["data"][0], labels) for answer in answers], dtype=np.float32)
    worst = float(np.abs(found - scores).max())
    if not worst <= MAX_ABS:
        raise ValueError(f"the server on port {server.port} answers other scores than the graph: {worst:.5f} apart")


def _first_vector(answer: object) -> list[float]:
    """Return the vector of an answer in Jubako's form or BentoML's bare array."""
    if isinstance(answer, dict):
        return list(answer["data"][0]["embedding"])
    assert isinstance(answer, list)
    return list(answer[0])


def _scores_of(item: dict[str, list[dict[str, float]]], labels: LabelSet) -> list[float]:
    """Return the scores of an answered record in the labels' order; NaN for a label that is not there."""
    told = {str(one["label"]): one["score"] for one in item.get("labels", [])}
    return [told.get(label.label, float("nan")) for label in labels.labels]
