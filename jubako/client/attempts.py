"""When to ask again: only what may be asked again, after the time the server names, and never past the deadline."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from jubako.errors import DeadlineError, ServerError, ServerUnreachable

RETRIED = frozenset({429, 503})
"""The server has not begun: it is busy, or not ready."""


@dataclass(frozen=True)
class Backoff:
    """How long to wait before asking again.

    Where the server names a time, that time and up to a quarter more, so that the refused do not come back together.
    Where it does not, between half of and all of a time that doubles with every try, up to a bound.
    """

    retries: int = 3
    first_s: float = 0.1
    most_s: float = 5.0

    def wait_s(self, attempt: int, named_s: float | None, chance: float) -> float:
        """Return the seconds to wait after try `attempt` (from 0); `chance` is in [0, 1)."""
        if named_s is not None:
            return named_s * (1 + 0.25 * chance)
        return float(min(self.most_s, self.first_s * 2.0**attempt) * (0.5 + 0.5 * chance))


class Attempts:
    """The tries of one request within its time."""

    def __init__(
        self,
        backoff: Backoff,
        timeout_s: float,
        clock: Callable[[], float] = monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._backoff = backoff
        self._clock = clock
        self._chance = chance
        self._timeout_s = timeout_s
        self._ends = clock() + timeout_s
        self._failed = 0

    def left_s(self) -> float:
        """Return the seconds that are left.

        Raises:
            DeadlineError: none are.
        """
        left_s = self._ends - self._clock()
        if left_s <= 0:
            raise DeadlineError(504, "deadline", f"no answer within {self._timeout_s:g} s")
        return left_s

    def wait_s(self, error: ServerError | ServerUnreachable) -> float:
        """Return how long to wait before the next try.

        Raises:
            ServerError, ServerUnreachable: the given one, where asking again is of no use, the tries are used up, or
                the time would be over before the next.
        """
        named_s = None
        if isinstance(error, ServerError):
            if error.status not in RETRIED:
                raise error
            named_s = error.retry_after_s
        if self._failed >= self._backoff.retries:
            raise error
        wait_s = self._backoff.wait_s(self._failed, named_s, self._chance())
        if self._clock() + wait_s >= self._ends:
            raise error
        self._failed += 1
        return wait_s
