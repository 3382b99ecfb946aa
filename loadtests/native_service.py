"""What a careful user of BentoML alone would write: the arms that Jubako is compared with.

Same graph, same tokeniser, same session options and the same padding to the longest row of a call as Jubako's engine;
`Batched` leaves the batching to `@bentoml.api(batchable=True)`, `Plain` computes each request by itself. What is left
to tune (ONNX Runtime threads, workers, batch size) comes from the environment and is tried out by the benchmark.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from prometheus_client import Counter, Histogram

from features.rows import Feed
from features.text import TextTokenizer

GRAPH, TOKENIZER, MAX_TOKENS = "LOADTEST_GRAPH", "LOADTEST_TOKENIZER", "LOADTEST_MAX_TOKENS"
THREADS, WORKERS, BATCH_SIZE = "LOADTEST_THREADS", "LOADTEST_WORKERS", "LOADTEST_BATCH_SIZE"

PREFIX = "loadtest"
"""Prefix of the metrics that these services add, named like Jubako's."""


def _number(variable: str, default: int) -> int:
    return int(os.environ.get(variable, default))


class Encoder:
    """Tokeniser and session; one call of the graph for all texts it is given."""

    def __init__(self) -> None:
        self._tokenizer = TextTokenizer(Path(os.environ[TOKENIZER]), _number(MAX_TOKENS, 256))
        self._session = open_session(Path(os.environ[GRAPH]), _number(THREADS, 1), spinning=False)
        self._batch_rows = Histogram(f"{PREFIX}_batch_rows", "Rows of a call", buckets=(1, 4, 16, 64, 256))
        self._tokens = Counter(f"{PREFIX}_tokens_total", "Tokens computed, without padding")
        self._padded = Counter(f"{PREFIX}_padded_tokens_total", "Tokens computed, with padding")

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of the texts, [texts, dimensions]."""
        batch = self._tokenizer.collate(self._tokenizer.encode(texts))
        self._batch_rows.observe(len(texts))
        self._tokens.inc(batch.tokens)
        self._padded.inc(batch.padded_tokens)
        return run(self._session, batch)


@bentoml.service(name="batched", workers=_number(WORKERS, 1))
class Batched:
    """BentoML's adaptive batching."""

    def __init__(self) -> None:
        self._encode = Encoder()

    @bentoml.api(batchable=True, max_batch_size=_number(BATCH_SIZE, 100))
    def embed(self, inputs: list[str]) -> NDArray[np.float32]:
        """Embed texts."""
        return self._encode(inputs)


@bentoml.service(name="plain", workers=_number(WORKERS, 1))
class Plain:
    """One call of the graph for each request."""

    def __init__(self) -> None:
        self._encode = Encoder()

    @bentoml.api
    def embed(self, inputs: list[str]) -> NDArray[np.float32]:
        """Embed texts."""
        return self._encode(inputs)


def open_session(graph: Path, threads: int, spinning: bool) -> ort.InferenceSession:
    """Open a graph on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    options.log_severity_level = 3
    return ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def run(session: ort.InferenceSession, feed: Feed) -> NDArray[np.float32]:
    """Return the outputs of a padded batch [rows, outputs]."""
    outputs: list[Any] = session.run(None, feed.inputs)
    return np.asarray(outputs[0], dtype=np.float32)
