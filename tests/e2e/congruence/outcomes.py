"""What a call comes to, in one shape whatever way it went: the HTTP contract's, its vectors as plain numbers."""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np

Outcome = dict[str, Any]
TOLERANCE = 1e-6
DTYPES = {"float32": "<f4", "float16": "<f2", "int8": "<i1", "binary": "<u1"}


def refused(code: str, param: str | None) -> Outcome:
    """Return the outcome of a call, or of one input, that met an error."""
    return {"error": {"code": code, "param": param}}


def numbers(embedding: Any, output_dtype: str) -> list[float]:
    """Return a vector's numbers, however it was encoded."""
    if isinstance(embedding, str):
        embedding = base64.b64decode(embedding)
    if isinstance(embedding, bytes):
        embedding = np.frombuffer(embedding, dtype=DTYPES[output_dtype])
    return [float(value) for value in embedding]


def plain(payload: Any, output_dtype: str = "float32") -> Any:
    """Return a payload of the HTTP contract as an outcome: without messages, and with vectors as numbers."""
    if isinstance(payload, list):
        return [plain(each, output_dtype) for each in payload]
    if not isinstance(payload, dict):
        return float(payload) if isinstance(payload, np.floating) else payload
    if "error" in payload:
        return refused(payload["error"]["code"], payload["error"]["param"])
    told = {name: plain(value, output_dtype) for name, value in payload.items() if name not in ("index", "embedding")}
    if "embedding" in payload:
        told["embedding"] = numbers(payload["embedding"], output_dtype)
    return told


def as_a_whole(outcome: Outcome) -> Outcome:
    """Return what is told where one input at fault fails the call: the first error, without its place."""
    errors = [item["error"] for item in outcome.get("data", ()) if "error" in item]
    if "error" in outcome:
        errors = [outcome["error"]]
    return {"error": {"code": errors[0]["code"]}} if errors else outcome


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Yield where two outcomes differ by more than rounding."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name, value in one.items():
            yield from differences(value, other[name], f"{place}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{place}.{index}")
    elif isinstance(one, float) and isinstance(other, float | int):
        if not abs(one - other) <= TOLERANCE * max(1, abs(one)):
            yield f"{place}: {one} and {other}"
    elif one != other:
        yield f"{place}: {one} and {other}"
