"""Python clients for the HTTP contract, one blocking and one for asyncio, over the same requests and answers.

Vectors travel as base64 and arrive as numpy arrays. Requests that the server refuses because it is busy (429, 503) are
tried again after the time it names.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from jubako.answers import Classifications, Embeddings, Recommendations
from jubako.errors import ServerError

__all__ = ["AsyncClient", "Classifications", "Client", "Embeddings", "Recommendations"]

RETRY_STATUSES = frozenset({429, 503})

Input = str | Mapping[str, Any]
"""A text or a record: a book (title, description, author) or a paper (title, abstract)."""
Item = str | int | Mapping[str, Any]
"""An item's id or its record."""
User = str | int | Mapping[str, Any]
"""A user's id, or what is known of them: id, history (ids of items, the most recent last), attributes."""


class Client:
    """Blocking client.

    Raises `ServerError` for every answer that is not a success, after `retries` further tries where the server asks for
    them, and `httpx.TransportError` when it cannot be reached.
    """

    def __init__(self, url: str = "http://localhost:3000", *, timeout_s: float = 60.0, retries: int = 3) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_s)
        self._retries = retries

    def embed(self, texts: Input | Sequence[Input], *, model: str | None = None, **options: Any) -> Embeddings:
        """Embed texts; with a recommender items, by id or by record, and people, as {"user": {...}}.

        `options` are the other fields of `POST /embed`: prompt, dimensions, normalize, truncate.
        """
        return Embeddings.read(self._call("POST", "/embed", _embed_body(texts, model, options)))

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
        return Classifications.read(self._call("POST", "/classify", body))

    def recommend(
        self,
        user: User | None = None,
        *,
        items: Sequence[Item] | None = None,
        record: Mapping[str, Any] | None = None,
        model: str | None = None,
        k: int = 10,
        exclude: Sequence[str | int] | None = None,
        exclude_seen: bool = True,
        filters: Mapping[str, Any] | None = None,
        diversity: float | None = None,
        explain: bool = False,
    ) -> Recommendations:
        """Recommend items to a user, or like `items` or a `record`; without any of them, what is popular.

        `filters` are {"required", "excluded", "any"}, each fields with a value or several. `diversity` goes from 0,
        the best items, to 1, items as unlike each other as can be. The history is left out unless `exclude_seen` is
        off; `explain` tells reasons.
        """
        body = _recommend_body(
            user, items, record=record, model=model, k=k, exclude=exclude, exclude_seen=exclude_seen, filters=filters,
            diversity=diversity, explain=explain,
        )  # fmt: skip
        return Recommendations.read(self._call("POST", "/recommend", body))

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

    async def embed(self, texts: Input | Sequence[Input], *, model: str | None = None, **options: Any) -> Embeddings:
        """Embed texts; as `Client.embed`."""
        return Embeddings.read(await self._call("POST", "/embed", _embed_body(texts, model, options)))

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
        return Classifications.read(await self._call("POST", "/classify", body))

    async def recommend(
        self,
        user: User | None = None,
        *,
        items: Sequence[Item] | None = None,
        record: Mapping[str, Any] | None = None,
        model: str | None = None,
        k: int = 10,
        exclude: Sequence[str | int] | None = None,
        exclude_seen: bool = True,
        filters: Mapping[str, Any] | None = None,
        diversity: float | None = None,
        explain: bool = False,
    ) -> Recommendations:
        """Recommend items; as `Client.recommend`."""
        body = _recommend_body(
            user, items, record=record, model=model, k=k, exclude=exclude, exclude_seen=exclude_seen, filters=filters,
            diversity=diversity, explain=explain,
        )  # fmt: skip
        return Recommendations.read(await self._call("POST", "/recommend", body))

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


def _embed_body(texts: Input | Sequence[Input], model: str | None, options: dict[str, Any]) -> dict[str, Any]:
    inputs = [texts] if isinstance(texts, str | Mapping) else list(texts)
    named = {} if model is None else {"model": model}
    return {"inputs": inputs, "encoding_format": "base64", **named, **options}


def _classify_body(inputs: Input | Sequence[Input], **asked: object) -> dict[str, Any]:
    listed = [inputs] if isinstance(inputs, str | Mapping) else list(inputs)
    return {"inputs": listed, **{key: value for key, value in asked.items() if value is not None}}


def _recommend_body(user: User | None, items: Sequence[Item] | None, **asked: object) -> dict[str, Any]:
    whom = user if user is None or isinstance(user, Mapping) else {"id": user}
    body = {"user": whom, "items": None if items is None else list(items), **asked}
    return {key: value for key, value in body.items() if value is not None}


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
