"""What compressing an answer costs and saves: `python -m loadtests.compression`. Takes some ten seconds on one core.

The network beside it decides what pays: a coding that saves S bytes for each microsecond is worth it where the network
carries fewer than S bytes in that time, that is on anything slower than 8 x S Mbit/s.
"""

import sys
from collections.abc import Callable, Iterator
from time import perf_counter

import numpy as np
import orjson

from loadtests.machine import describe_machine, describe_versions
from loadtests.report import table
from serving.api.compression import DEFLATERS
from serving.vectors import OutputDtype, VectorForm

DIMENSIONS, LABELS = 384, 24
INPUTS = (1, 32)
FOR_S = 0.2
ROUNDS = 3


def embeddings(inputs: int, dtype: OutputDtype, base64: bool) -> bytes:
    """Return the body of an answer with random vectors, which no coding can do better with than with real ones."""
    form = VectorForm(dtype=dtype, encoding="base64" if base64 else "float")
    vectors = np.random.default_rng(0).normal(size=(inputs, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return dumps([{"index": index, "embedding": form.apply(vector)[0]} for index, vector in enumerate(vectors)])


def classifications(inputs: int) -> bytes:
    """Return the body of an answer with all labels of each input."""
    scores = np.random.default_rng(0).random((inputs, LABELS), dtype=np.float32)
    labels = [f"genre-{number}" for number in range(LABELS)]
    told = [
        [{"label": label, "name": label.title(), "score": score, "assigned": bool(score > 0.5)}
         for label, score in zip(labels, row, strict=True)]
        for row in scores
    ]  # fmt: skip
    return dumps([{"index": index, "labels": each} for index, each in enumerate(told)])


def dumps(data: list[dict[str, object]]) -> bytes:
    """Return the body of an answer."""
    answer = {"model": "text", "version": "1", "data": data, "usage": {"tokens": 11}}
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def bodies() -> Iterator[tuple[str, bytes]]:
    """Yield answers of each kind with their names."""
    for inputs in INPUTS:
        count = f"{inputs} text" if inputs == 1 else f"{inputs} texts"
        yield f"vectors, {count}, numbers", embeddings(inputs, "float32", base64=False)
        yield f"vectors, {count}, base64", embeddings(inputs, "float32", base64=True)
        yield f"vectors, {count}, int8 as numbers", embeddings(inputs, "int8", base64=False)
        yield f"labels, {count}", classifications(inputs)


def seconds_of(shrink: Callable[[bytes], bytes], body: bytes) -> float:
    """Return the time of one call, the best of a few rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        calls, begin = 0, perf_counter()
        while (spent := perf_counter() - begin) < FOR_S / ROUNDS:
            shrink(body)
            calls += 1
        best = min(best, spent / calls)
    return best


def main() -> int:
    """Measure and print the table."""
    rows = []
    for name, body in bodies():
        told = [name, f"{len(body):,}"]
        for coding in ("zstd", "gzip"):
            size, seconds = len(DEFLATERS[coding](body)), seconds_of(DEFLATERS[coding], body)
            told.append(f"{len(body) / size:.1f}x, {seconds * 1e6:.0f} us, {(len(body) - size) / seconds / 1e6:.0f}")
        rows.append(tuple(told))
    for key, value in {**describe_machine(), **describe_versions()}.items():
        print(f"- {key}: {value}")
    head = ("answer", "bytes", "zstd: ratio, time, bytes saved per us", "gzip: ratio, time, bytes saved per us")
    print("", *table(head, rows), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
