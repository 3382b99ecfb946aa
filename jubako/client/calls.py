"""The calls that both clients offer: arguments, documentation, and what is made of them. No input or output here."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from jubako.answers import Classifications, Embeddings, OutputDtype, Recommendations
from jubako.client.parts import PartSize
from jubako.client.requests import Answer, Call, Input, Item, Operation, Request, Stream, User


class Calls:
    """Makes of a method's arguments what has to be sent, and of the answers what the method returns."""

    def __init__(self, size: PartSize) -> None:
        self._size = size

    def embed(
        self,
        texts: Input | Sequence[Input],
        *,
        model: str | None = None,
        prompt: str | None = None,
        dimensions: int | None = None,
        normalize: bool | None = None,
        output_dtype: OutputDtype = "float32",
        truncate: bool = True,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Call[Embeddings]:
        """Embed texts; with a recommender items, by id or by record, and people, as {"user": {...}}.

        Args:
            texts: one input or a list of any length; a long one is sent in parts.
            model: name of a loaded model; without it, the first that embeds.
            prompt: name of one of the model's prompts, put before every input.
            dimensions: leading dimensions to keep, one of the sizes that the model was trained for.
            normalize: bring vectors to unit length; without it, as the model gives them.
            output_dtype: what vectors travel and arrive as; `Embeddings.floats()` turns them back.
            truncate: cut texts that are too long; when off they are errors.
            timeout_s: in place of the client's.
            request_id: what the server's log shall know the request by; without it, one is made.

        Raises:
            ServerError: nothing can be answered. An input at fault is told in `errors` instead, its row is NaN.
            DeadlineError: the time was over.
            ServerUnreachable: nothing answers.
        """
        body = _embed_body(model, prompt, dimensions, normalize, output_dtype, truncate)
        requests = self._requests("embed", texts, body, timeout_s, request_id)
        return Call(requests, lambda answer: Embeddings.read(answer, output_dtype))

    def embed_stream(
        self,
        texts: Iterable[Input],
        *,
        model: str | None = None,
        prompt: str | None = None,
        dimensions: int | None = None,
        normalize: bool | None = None,
        output_dtype: OutputDtype = "float32",
        truncate: bool = True,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Stream[Embeddings]:
        """Embed as many texts as an iterable gives, reading it only as fast as answers come.

        Yields the vectors in the order of the texts, a part at a time: `Embeddings.offset` is the place of a part's
        first text. Over gRPC the parts share one stream. Arguments and errors are those of `embed`; `timeout_s` is for
        each part, and inputs at fault are told in each part's `errors`.
        """
        if isinstance(texts, str | Mapping):
            raise TypeError("embed_stream takes many texts; embed() is for one")
        body = _embed_body(model, prompt, dimensions, normalize, output_dtype, truncate)
        name = request_id or uuid4().hex
        requests = (
            Request("embed", {"inputs": part, **body}, f"{name}-{number}", timeout_s, is_part=True)
            for number, part in enumerate(self._size.cut(texts))
        )
        return Stream(requests, _PartReader(output_dtype))

    def classify(
        self,
        inputs: Input | Sequence[Input],
        *,
        model: str | None = None,
        top_k: int | None = None,
        threshold: float | None = None,
        candidate_labels: Sequence[str] | None = None,
        truncate: bool = True,
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Call[Classifications]:
        """Classify texts or records.

        Args:
            inputs: one input or a list of any length; a long one is sent in parts.
            model: name of a loaded model; without it, the first that classifies.
            top_k: best labels to tell of each input; without it, all.
            threshold: score from which a label is assigned, in place of the labels' own.
            candidate_labels: labels of yours, 2 to 64, among which a text encoder chooses.
            truncate: cut texts that are too long; when off they are errors.
            timeout_s: in place of the client's.
            request_id: what the server's log shall know the request by; without it, one is made.

        Raises:
            ServerError, DeadlineError, ServerUnreachable: as `embed`.
        """
        labels = None if candidate_labels is None else list(candidate_labels)
        body = _given(
            model=model, top_k=top_k, threshold=threshold, candidate_labels=labels, truncate=_unless(truncate, True)
        )
        return Call(self._requests("classify", inputs, body, timeout_s, request_id), Classifications.read)

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
        timeout_s: float | None = None,
        request_id: str | None = None,
    ) -> Call[Recommendations]:
        """Recommend items to a user, or like `items` or a `record`; without any of them, what is popular.

        Args:
            user: an id, or what is known of the person: {"id", "history", "attributes"}.
            items: recommend what is like these ids and records of items.
            record: recommend what is like this record, which need not be among the items.
            model: name of a loaded model; without it, the first that recommends.
            k: how many items.
            exclude: ids of items that shall not be recommended.
            exclude_seen: leave out what the history holds.
            filters: {"required", "excluded", "any"}, each fields with a value or several.
            diversity: from 0, the best items, to 1, items as unlike each other as can be.
            explain: tell reasons.
            timeout_s: in place of the client's.
            request_id: what the server's log shall know the request by; without it, one is made.

        Raises:
            ServerError, DeadlineError, ServerUnreachable: as `embed`.
        """
        body = _given(
            user=user if user is None or isinstance(user, Mapping) else {"id": user},
            items=None if items is None else list(items),
            record=record,
            model=model,
            k=k,
            exclude=None if exclude is None else list(exclude),
            exclude_seen=_unless(exclude_seen, True),
            filters=filters,
            diversity=diversity,
            explain=_unless(explain, False),
        )
        return Call([Request("recommend", body, request_id or uuid4().hex, timeout_s)], Recommendations.read)

    def models(self) -> Call[list[dict[str, Any]]]:
        """List the models that are served, each as `GET /models` tells it."""
        return Call([Request("models", {}, uuid4().hex)], _listed_models)

    def model(self, name: str) -> Call[dict[str, Any]]:
        """Return what is known of a model: what it takes and gives and, over HTTP, its manifest.

        Raises:
            ServerError: `unknown_model`, naming those that are loaded; and as `embed`.
        """
        return Call([Request("model", {"name": name}, uuid4().hex)], dict)

    def _requests(
        self,
        operation: Operation,
        inputs: Input | Sequence[Input],
        body: dict[str, Any],
        timeout_s: float | None,
        request_id: str | None,
    ) -> list[Request]:
        name = request_id or uuid4().hex
        parts = [[inputs]] if isinstance(inputs, str | Mapping) else list(self._size.cut(inputs)) or [[]]
        if len(parts) == 1:
            return [Request(operation, {"inputs": parts[0], **body}, name, timeout_s)]
        return [
            Request(operation, {"inputs": part, **body}, f"{name}-{number}", timeout_s, is_part=True)
            for number, part in enumerate(parts)
        ]


class _PartReader:
    """Reads the parts of a stream one after another; one without any good input has the shape of those before."""

    def __init__(self, output_dtype: OutputDtype) -> None:
        self._dtype = output_dtype
        self._offset = 0
        self._model: tuple[str, str] = ("", "")
        self._width = 0

    def __call__(self, answer: Answer) -> Embeddings:
        if answer["model"] is None:
            answer = {**answer, "model": self._model[0], "version": self._model[1]}
        part = Embeddings.read(answer, self._dtype, self._offset, self._width)
        self._model, self._width = (part.model, part.version), part.vectors.shape[1]
        self._offset += len(part)
        return part


def _embed_body(
    model: str | None,
    prompt: str | None,
    dimensions: int | None,
    normalize: bool | None,
    output_dtype: OutputDtype,
    truncate: bool,
) -> dict[str, Any]:
    return {
        "encoding_format": "base64",
        **_given(
            model=model,
            prompt=prompt,
            dimensions=dimensions,
            normalize=normalize,
            output_dtype=_unless(output_dtype, "float32"),
            truncate=_unless(truncate, True),
        ),
    }


def _given(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _unless(value: object, default: object) -> object:
    return None if value == default else value


def _listed_models(answer: Answer) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = answer["models"]
    return models
