"""Admission: the queue is bounded in tokens, and whoever comes over the bound is told when to come back."""

import math

from serving.errors import Code, JubakoError
from serving.telemetry.metrics import QueueMetrics


class Admission:
    """Counts the tokens that wait or are computed, and knows how fast they drain."""

    def __init__(self, max_tokens: int, metrics: QueueMetrics) -> None:
        self.max_tokens = max_tokens
        self.held_tokens = 0
        self._metrics = metrics
        metrics.bounded(max_tokens)
        self._tokens_per_s = 0.0

    @property
    def fullness(self) -> float:
        """Tokens held as a share of the bound; a single large request can take it past 1."""
        return self.held_tokens / self.max_tokens

    def refuse_if_full(self) -> None:
        """Refuse work while `max_tokens` are held.

        Raises:
            JubakoError: `overloaded`, with the seconds after which the queue will have drained.
        """
        if self.held_tokens < self.max_tokens:
            return
        self._metrics.rejected()
        raise JubakoError(
            Code.OVERLOADED,
            f"{self.held_tokens} tokens are queued, the bound is {self.max_tokens}; retry after the given time",
            retry_after_s=self.drain_s(),
        )

    def admit(self, tokens: int) -> None:
        """Take tokens in, while fewer than `max_tokens` are held.

        A request is never compared with the room that is left: one larger than the whole bound would otherwise be
        refused for ever. What is held can therefore pass the bound by one request.

        Raises:
            JubakoError: `overloaded`, as `refuse_if_full`.
        """
        self.refuse_if_full()
        self._hold(tokens)

    def release(self, tokens: int) -> None:
        """Give back tokens that were admitted: answered, failed or abandoned."""
        self._hold(-tokens)

    def observe(self, tokens: int, seconds: float) -> None:
        """Learn the drain rate from computed work (exponential mean over some twenty observations)."""
        rate = tokens / max(seconds, 1e-6)
        self._tokens_per_s = rate if not self._tokens_per_s else 0.95 * self._tokens_per_s + 0.05 * rate

    def drain_s(self) -> float:
        """Return the whole seconds, at least one, that the held tokens need to drain at the observed rate."""
        return max(1.0, math.ceil(self.held_tokens / self._tokens_per_s)) if self._tokens_per_s else 1.0

    def _hold(self, tokens: int) -> None:
        self.held_tokens += tokens
        self._metrics.held(tokens)
