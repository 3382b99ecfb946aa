"""A text model that is being served: the way of a text from the caller to its vector."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic, perf_counter

from bundle.manifest import Manifest
from features.rows import FeatureRow
from features.text import TextTokenizer
from serving.coalescing import Coalescer
from serving.errors import Code, JubakoError
from serving.rows import Output
from serving.scheduler import Backend

SELF_TEST = "The lacquer box holds three trays."


@dataclass(frozen=True)
class TextResult:
    """Vectors for the inputs of one request."""

    outputs: list[Output]
    """In the order of the inputs; an input at fault has its error in its place."""
    tokens: int
    tokenize_s: float = 0.0
    queue_s: float = 0.0
    compute_s: float = 0.0


@dataclass(frozen=True)
class Placement:
    """What computes, for people."""

    graph: str
    """The graph's file in the bundle."""
    device: str
    """The device and how it is divided."""


class TextModel:
    """Tokenises beside the event loop and hands the rows to a backend."""

    def __init__(
        self,
        manifest: Manifest,
        placement: Placement,
        tokenizer: TextTokenizer,
        backend: Backend,
        tokenizer_threads: int = 1,
    ) -> None:
        self.manifest = manifest
        self.placement = placement
        self._backend = backend
        self._tokenizer = tokenizer
        self._threads = ThreadPoolExecutor(tokenizer_threads, thread_name_prefix="tokenize")
        self._tokenize: Coalescer[Sequence[str], list[FeatureRow]] = Coalescer(
            self._encode, self._threads, tokenizer_threads
        )

    @property
    def last_success_age_s(self) -> float:
        """Seconds since rows were last computed."""
        return monotonic() - self._backend.last_success

    async def embed(
        self, inputs: Sequence[object], *, deadline: float, prompt: str | None = None, truncate: bool = True
    ) -> TextResult:
        """Embed texts; `deadline` is a time of `time.monotonic`.

        An input that is not a string, or is too long while `truncate` is false, is answered by its own error.

        Raises:
            JubakoError: `overloaded`, `deadline`, or `invalid_value` for an unknown prompt.
        """
        prefix = self._prefix(prompt)
        self._backend.refuse_if_full()
        texts = {place: prefix + text for place, text in enumerate(inputs) if isinstance(text, str)}
        outputs: dict[int, Output] = {place: _not_text(place) for place in range(len(inputs)) if place not in texts}
        begin = perf_counter()
        rows = dict(zip(texts, await self._tokenize(list(texts.values())), strict=True)) if texts else {}
        tokenize_s = perf_counter() - begin
        if not truncate:
            outputs |= self._too_long(rows)
        fitting = {place: row for place, row in rows.items() if place not in outputs}
        if not fitting:
            return TextResult(_in_order(outputs), 0, tokenize_s)
        done = await self._backend.run(list(fitting.values()), deadline)
        outputs |= dict(zip(fitting, done.outputs, strict=True))
        tokens = sum(map(len, fitting.values()))
        return TextResult(_in_order(outputs), tokens, tokenize_s, done.queue_s, done.compute_s)

    async def check(self, timeout_s: float) -> None:
        """Send one real inference the whole way.

        Raises:
            JubakoError: it failed or did not come back in time.
        """
        result = await self.embed([SELF_TEST], deadline=monotonic() + timeout_s)
        if isinstance(output := result.outputs[0], JubakoError):
            raise output

    def close(self) -> None:
        """Let running work end and stop the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._backend.close()

    def _prefix(self, prompt: str | None) -> str:
        chosen = prompt if prompt is not None else self.manifest.default_prompt
        if chosen is None:
            return ""
        if chosen not in self.manifest.prompts:
            known = ", ".join(sorted(self.manifest.prompts)) or "none"
            raise JubakoError(Code.INVALID_VALUE, f"unknown prompt {chosen!r}; this model has: {known}", param="prompt")
        return self.manifest.prompts[chosen]

    def _encode(self, requests: Sequence[Sequence[str]]) -> list[list[FeatureRow]]:
        """Tokenise the texts of several requests in one call into Rust."""
        rows = iter(self._tokenizer.encode([text for texts in requests for text in texts]))
        return [[next(rows) for _ in texts] for texts in requests]

    def _too_long(self, rows: Mapping[int, FeatureRow]) -> dict[int, Output]:
        message = f"more than {self.manifest.max_tokens} tokens; shorten the text or set truncate to true"
        return {
            place: JubakoError(Code.TOO_LONG, message, param=f"inputs.{place}")
            for place, row in rows.items()
            if row.truncated
        }


def _not_text(place: int) -> JubakoError:
    return JubakoError(Code.INVALID_VALUE, "an input must be a string", param=f"inputs.{place}")


def _in_order(outputs: Mapping[int, Output]) -> list[Output]:
    return [outputs[place] for place in range(len(outputs))]
