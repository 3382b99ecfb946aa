"""Python clients for the HTTP contract, one blocking and one for asyncio, over the same requests and answers.

Vectors travel as base64 and arrive as numpy arrays. Requests that the server refuses because it is busy (429, 503) are
tried again after the time it names.
"""

import asyncio
import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
import numpy as np
from numpy.typing import NDArray

from jubako.errors import ServerError

RETRY_STATUSES = frozenset({429, 503})

Input = str | Mapping[str, Any]
"""A text or a record: a book (title, description, author) or a paper (title, abstract)."""


@dataclass(frozen=True)
class Embeddings:
    """Answer to an embed request."""

    vectors: NDArray[np.float32]
    """[inputs, dimensions]; a row whose input met an error is NaN."""
    errors: dict[int, ServerError]
    """Errors of single inputs, by index."""
    model: str
    version: str
    tokens: int


class Scored(NamedTuple):
    """One label of one input."""

    label: str
    """Stable identifier, for programs."""
    name: str
    """Display name, for people."""
    score: float
    assigned: bool


@dataclass(frozen=True)
class Classifications:
    """Answer to a classify request."""

    labels: list[list[Scored]]
    """For each input its labels, best first; empty where the input met an error."""
    errors: dict[int, ServerError]
    """Errors of single inputs, by index."""
    model: str
    version: str
    tokens: int

    def assigned(self, index: int) -> list[str]:
        """Return the labels that an input was given, best first.

        Raises:
            ServerError: the one that this input met.
        """
        if index in self.errors:
            raise self.errors[index]
        return [scored.label for scored in self.labels[index] if scored.assigned]


class Client:
    """Blocking client.

    Raises `ServerError` for every answer that is not a success, after `retries` further tries where the server asks for
    them, and `httpx.TransportError` when it cannot be reached.
    """

    def __init__(self, url: str = "http://localhost:3000", *, timeout_s: float = 60.0, retries: int = 3) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_s)
        self._retries = retries

    def embed(self, texts: str | Sequence[str], *, model: str | None = None, **options: Any) -> Embeddings:
        """Embed texts. `options` are the other fields of `POST /embed`: prompt, dimensions, normalize, truncate."""
        return _read_embeddings(self._call("POST", "/embed", _embed_body(texts, model, options)))

    def classify(
        self,
        inputs: Input | Sequence[Input],
        *,
        model: str | None = None,
        top_k: int | None = None,
        threshold: float | None = None,
        candidate_labels: list[str] | None = None,
        truncate: bool = True,
    ) -> Classifications:
        """Classify texts or records.

        `top_k` keeps the best labels, `threshold` takes the place of the labels' own, `candidate_labels` has a text
        encoder choose among labels of yours, and with `truncate` off a text that is too long is an error.
        """
        body = _classify_body(
            inputs, model=model, top_k=top_k, threshold=threshold, candidate_labels=candidate_labels, truncate=truncate
        )
        return _read_classifications(self._call("POST", "/classify", body))

    def models(self) -> list[dict[str, Any]]:
        """List the models that are served."""
        listed: list[dict[str, Any]] = self._call("GET", "/models")["models"]
        return listed

    def model(self, name: str) -> dict[str, Any]:
        """Return a model's manifest and placement."""
        return self._call("GET", f"/models/{name}")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        for attempt in range(self._retries + 1):
            response = self._http.request(method, path, json=body)
            wait_s = _wait_before_retry(response)
            if wait_s is None or attempt == self._retries:
                break
            time.sleep(wait_s)
        return _read(response)


class AsyncClient:
    """The same client for asyncio."""

    def __init__(self, url: str = "http://localhost:3000", *, timeout_s: float = 60.0, retries: int = 3) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s)
        self._retries = retries

    async def embed(self, texts: str | Sequence[str], *, model: str | None = None, **options: Any) -> Embeddings:
        """Embed texts; as `Client.embed`."""
        return _read_embeddings(await self._call("POST", "/embed", _embed_body(texts, model, options)))

    async def classify(
        self,
        inputs: Input | Sequence[Input],
        *,
        model: str | None = None,
        top_k: int | None = None,
        threshold: float | None = None,
        candidate_labels: list[str] | None = None,
        truncate: bool = True,
    ) -> Classifications:
        """Classify texts or records; as `Client.classify`."""
        body = _classify_body(
            inputs, model=model, top_k=top_k, threshold=threshold, candidate_labels=candidate_labels, truncate=truncate
        )
        return _read_classifications(await self._call("POST", "/classify", body))

    async def models(self) -> list[dict[str, Any]]:
        """List the models that are served."""
        listed: list[dict[str, Any]] = (await self._call("GET", "/models"))["models"]
        return listed

    async def model(self, name: str) -> dict[str, Any]:
        """Return a model's manifest and placement."""
        return await self._call("GET", f"/models/{name}")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        for attempt in range(self._retries + 1):
            response = await self._http.request(method, path, json=body)
            wait_s = _wait_before_retry(response)
            if wait_s is None or attempt == self._retries:
                break
            await asyncio.sleep(wait_s)
        return _read(response)


def _embed_body(texts: str | Sequence[str], model: str | None, options: dict[str, Any]) -> dict[str, Any]:
    inputs = [texts] if isinstance(texts, str) else list(texts)
    named = {} if model is None else {"model": model}
    return {"inputs": inputs, "encoding_format": "base64", **named, **options}


def _classify_body(inputs: Input | Sequence[Input], **asked: object) -> dict[str, Any]:
    listed = [inputs] if isinstance(inputs, str | Mapping) else list(inputs)
    return {"inputs": listed, **{key: value for key, value in asked.items() if value is not None}}


def _read_embeddings(answer: dict[str, Any]) -> Embeddings:
    rows: dict[int, NDArray[np.float32]] = {}
    errors: dict[int, ServerError] = {}
    for item in answer["data"]:
        if "error" in item:
            errors[item["index"]] = ServerError.from_answer(200, item)
        else:
            rows[item["index"]] = np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4")
    dimensions = len(next(iter(rows.values())))
    vectors = np.full((len(answer["data"]), dimensions), np.nan, dtype=np.float32)
    for index, row in rows.items():
        vectors[index] = row
    return Embeddings(vectors, errors, answer["model"], answer["version"], answer["usage"]["tokens"])


def _read_classifications(answer: dict[str, Any]) -> Classifications:
    labels = [[_scored(told) for told in item.get("labels", [])] for item in answer["data"]]
    errors = {item["index"]: ServerError.from_answer(200, item) for item in answer["data"] if "error" in item}
    return Classifications(labels, errors, answer["model"], answer["version"], answer["usage"]["tokens"])


def _scored(told: dict[str, Any]) -> Scored:
    return Scored(told["label"], told["name"], told["score"], told["assigned"])


def _wait_before_retry(response: httpx.Response) -> float | None:
    if response.status_code not in RETRY_STATUSES:
        return None
    given = response.headers.get("retry-after", "")
    return float(given) if given.isdigit() else 1.0


def _read(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = response.text
    if not response.is_success or not isinstance(body, dict):
        raise ServerError.from_answer(response.status_code, body)
    return body
