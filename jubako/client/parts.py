"""Large lists: cut into requests that a server takes, and joined so that nobody sees where they were cut."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jubako.client.requests import Answer, Input, Request
from jubako.errors import HTTP_STATUS, ServerError, server_error


@dataclass(frozen=True)
class PartSize:
    """How large one request may become."""

    inputs: int
    size_bytes: int
    """Of the inputs as UTF-8 or JSON; one that is larger by itself travels alone."""

    def cut(self, inputs: Iterable[Input]) -> Iterator[list[Input]]:
        """Yield the inputs in order, in lists of at most this size, as they come."""
        part: list[Input] = []
        held_bytes = 0
        for each in inputs:
            size = _size_bytes(each)
            if part and (len(part) == self.inputs or held_bytes + size > self.size_bytes):
                yield part
                part, held_bytes = [], 0
            part.append(each)
            held_bytes += size
        if part:
            yield part


def whole(answers: Sequence[Answer]) -> Answer:
    """Return the answer to a list from those to its parts.

    Raises:
        ServerError: none of the inputs is in order (the first one's error), as for a list that is not cut; or
            `version_changed`.
    """
    answer = join(answers)
    if answer["model"] is None:
        raise ServerError.of_input(answer["data"][0]["error"])
    return answer


def join(answers: Sequence[Answer]) -> Answer:
    """Join the answers to parts: indices and parameters count on, tokens add up.

    Raises:
        ServerError: `version_changed`, where the parts come from different versions of the model.
    """
    if len(answers) == 1:
        return answers[0]
    data: list[dict[str, Any]] = []
    for answer in answers:
        data += [_moved(item, len(data)) for item in answer["data"]]
    named = [answer for answer in answers if answer["model"] is not None]
    first = named[0] if named else answers[0]
    for answer in named:
        if (answer["model"], answer["version"]) != (first["model"], first["version"]):
            raise _version_changed(first, answer)
    tokens = sum(answer["usage"]["tokens"] for answer in answers)
    return {"model": first["model"], "version": first["version"], "data": data, "usage": {"tokens": tokens}}


def smaller(request: Request, error: ServerError) -> list[Request]:
    """Return what to send in place of a request that met an error; empty where smaller ones would meet it too.

    A part whose inputs are all at fault goes one by one, since only the first one's error was told; what is too large
    for the server goes in halves.
    """
    count = len(request.inputs)
    if count < 2:
        return []
    if request.is_part and _is_about_an_input(error):
        return _cut(request, 1)
    if error.code == "too_large" and not _is_about_an_input(error):
        return _cut(request, (count + 1) // 2)
    return []


def told(request: Request, error: ServerError) -> Answer:
    """Return the answer of a part whose only input is at fault.

    Raises:
        ServerError: the given one, where it concerns more than that input.
    """
    if not (request.is_part and len(request.inputs) == 1 and _is_about_an_input(error)):
        raise error
    told_error = {"code": error.code, "message": error.message, "param": error.param}
    return {"model": None, "version": None, "data": [{"index": 0, "error": told_error}], "usage": {"tokens": 0}}


def _cut(request: Request, count: int) -> list[Request]:
    inputs = request.inputs
    return [
        replace(request, body={**request.body, "inputs": inputs[start : start + count]}, is_part=True)
        for start in range(0, len(inputs), count)
    ]


def _is_about_an_input(error: ServerError) -> bool:
    return error.param is not None and error.param.startswith("inputs.")


def _moved(item: dict[str, Any], offset: int) -> dict[str, Any]:
    moved = {**item, "index": item["index"] + offset}
    if offset and "error" in item:
        moved["error"] = {**item["error"], "param": _moved_param(item["error"]["param"], offset)}
    return moved


def _moved_param(param: str | None, offset: int) -> str | None:
    parts = param.split(".") if param is not None else []
    if len(parts) < 2 or parts[0] != "inputs" or not parts[1].isdecimal():
        return param
    return ".".join(["inputs", str(int(parts[1]) + offset), *parts[2:]])


def _size_bytes(value: Input) -> int:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return len(text.encode(errors="surrogatepass"))


def _version_changed(first: Answer, other: Answer) -> ServerError:
    message = (
        f"the server went from version {first['version']} of {first['model']} to {other['version']} of "
        f"{other['model']} while it answered this list; ask again"
    )
    return server_error(HTTP_STATUS["version_changed"], "version_changed", message)
