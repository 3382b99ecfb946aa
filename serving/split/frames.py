"""The messages between front and runner: a JSON header, then raw little-endian arrays.

request   {id, model, timeout_s, tokens, arrays, trace?}  the arrays of all rows, one name after the other
cancel    {id, cancel: true}                      -
answer    {id, queue_s, compute_s, shape, errors, fullness} float32 outputs of the rows that have one
refusal   {id, error}                             -
hold      {id, hold}                              the tags that the front needs; others the runner may free
held      {id, refused}                           when all of them are loaded: by tag, why one is not

`trace` is the carrier of a trace that is recorded: `traceparent` and its like.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from features.rows import Array, FeatureRow
from serving.errors import Code, JubakoError
from serving.rows import Finished, Output

_LENGTH = struct.Struct("<I")


def pack(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """Lay header and payload into one message."""
    head = orjson.dumps(header)
    return _LENGTH.pack(len(head)) + head + payload


def unpack(message: bytes) -> tuple[dict[str, Any], memoryview]:
    """Take a message apart."""
    (length,) = _LENGTH.unpack_from(message)
    end = _LENGTH.size + length
    header: dict[str, Any] = orjson.loads(message[_LENGTH.size : end])
    return header, memoryview(message)[end:]


def pack_request(
    number: int, model: str, rows: Sequence[FeatureRow], timeout_s: float, trace: dict[str, str] | None = None
) -> bytes:
    """Pack encoded rows, which all have arrays of the same names and types."""
    columns = {name: [row.arrays[name] for row in rows] for name in rows[0].arrays}
    described = [[name, column[0].dtype.str, [len(array) for array in column]] for name, column in columns.items()]
    header = {"id": number, "model": model, "timeout_s": timeout_s, "tokens": [row.tokens for row in rows]}
    if trace is not None:
        header["trace"] = trace
    payload = b"".join(np.concatenate(column).tobytes() for column in columns.values())
    return pack({**header, "arrays": described}, payload)


def unpack_rows(header: dict[str, Any], payload: memoryview) -> list[FeatureRow]:
    """Take the rows of a request apart."""
    columns: dict[str, list[Array]] = {}
    for name, dtype, lengths in header["arrays"]:
        ends = np.cumsum(lengths)
        values = np.frombuffer(payload, dtype=dtype, count=int(ends[-1]))
        columns[name] = np.split(values, ends[:-1])
        payload = payload[values.nbytes :]
    per_row = zip(*columns.values(), strict=True)
    return [
        FeatureRow(dict(zip(columns, arrays, strict=True)), tokens)
        for arrays, tokens in zip(per_row, header["tokens"], strict=True)
    ]


def pack_answer(number: int, done: Finished, fullness: float = 0.0) -> bytes:
    """Pack finished rows, and how full the queue is; rows that failed are named in the header instead of having a
    vector.
    """
    errors = {str(at): out.body() for at, out in enumerate(done.outputs) if isinstance(out, JubakoError)}
    vectors = [out for out in done.outputs if not isinstance(out, JubakoError)]
    matrix = np.stack(vectors).astype("<f4") if vectors else np.zeros((0, 0), "<f4")
    header = {"id": number, "queue_s": done.queue_s, "compute_s": done.compute_s, "errors": errors}
    return pack({**header, "shape": matrix.shape, "fullness": fullness}, matrix.tobytes())


def unpack_answer(header: dict[str, Any], payload: memoryview) -> Finished:
    """Take an answer apart.

    Raises:
        JubakoError: the one that the runner refused the request with.
    """
    if "error" in header:
        raise unpack_error(header["error"])
    matrix: NDArray[np.float32] = np.frombuffer(payload, dtype="<f4").reshape(header["shape"])
    vectors = iter(matrix)
    errors = {int(at): unpack_error(error) for at, error in header["errors"].items()}
    outputs: list[Output] = [errors[at] if at in errors else next(vectors) for at in range(len(matrix) + len(errors))]
    return Finished(outputs, header["queue_s"], header["compute_s"])


def pack_error(number: int, error: JubakoError) -> bytes:
    """Pack the refusal of a whole request."""
    return pack({"id": number, "error": {**error.body(), "retry_after_s": error.retry_after_s}})


def pack_hold(number: int, tags: Iterable[str]) -> bytes:
    """Pack the tags that a front needs."""
    return pack({"id": number, "hold": sorted(tags)})


def pack_held(number: int, refused: Mapping[str, str]) -> bytes:
    """Pack the tags that a runner does not serve, and why; the others it does."""
    return pack({"id": number, "refused": refused})


def unpack_error(error: dict[str, Any]) -> JubakoError:
    """Return the error that was packed."""
    return JubakoError(
        Code(error["code"]), error["message"], param=error["param"], retry_after_s=error.get("retry_after_s")
    )
