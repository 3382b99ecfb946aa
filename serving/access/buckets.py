"""Quotas: buckets that fill at a rate, and requests that take from them."""

import math
from collections.abc import Callable

from serving.access.records import Quotas
from serving.errors import Code, JubakoError

Clock = Callable[[], float]
MINUTE_S, DAY_S = 60.0, 86_400.0


class Bucket:
    """A token bucket: it fills at `rate` a second up to `capacity`, and is full at the start."""

    __slots__ = ("_at", "_clock", "_level", "_rate", "capacity")

    def __init__(self, rate: float, capacity: float, clock: Clock) -> None:
        self.capacity = capacity
        self._rate = rate
        self._clock = clock
        self._level = capacity
        self._at = clock()

    def wait_s(self, amount: float) -> float:
        """Return the seconds until there is as much as `amount`: 0 when there is, infinity when there never will be."""
        now = self._clock()
        self._level = min(self.capacity, self._level + (now - self._at) * self._rate)
        self._at = now
        if amount <= self._level:
            return 0.0
        return (amount - self._level) / self._rate if amount <= self.capacity else math.inf

    def take(self, amount: float) -> None:
        """Take what `wait_s` found to be there."""
        self._level -= amount


class Allowance:
    """What is left of one key's quotas in this process."""

    def __init__(self, quotas: Quotas, share: int, clock: Clock) -> None:
        """Take the quotas and the number of processes that share them."""
        self.quotas = quotas
        rate = quotas.requests_per_second
        burst = max(1.0, (quotas.burst or rate) / share)
        self._requests = Bucket(rate / share, burst, clock) if rate else None
        self._tokens = {
            what: Bucket(most / share / seconds, most / share, clock)
            for what, most, seconds in (
                ("minute", quotas.tokens_per_minute, MINUTE_S),
                ("day", quotas.tokens_per_day, DAY_S),
            )
            if most
        }

    def admit(self) -> None:
        """Take one request, unless there is none left, or no token.

        Raises:
            JubakoError: `quota_exceeded`, with the time after which there will be.
        """
        for what, bucket in self._tokens.items():
            if wait_s := bucket.wait_s(min(1.0, bucket.capacity)):
                raise _exceeded(f"the tokens of this {what} are used up", wait_s)
        if self._requests is not None:
            if wait_s := self._requests.wait_s(1):
                raise _exceeded(f"more than {self.quotas.requests_per_second:g} requests per second", wait_s)
            self._requests.take(1)

    def charge(self, tokens: int) -> None:
        """Take a request's tokens, from every bucket or from none.

        Raises:
            JubakoError: `quota_exceeded` while there are not as many; `too_large` when there never will be.
        """
        for what, bucket in self._tokens.items():
            wait_s = bucket.wait_s(tokens)
            if wait_s == math.inf:
                message = f"{tokens} tokens in one request, the key's quota for a {what} holds {bucket.capacity:g}"
                raise JubakoError(Code.TOO_LARGE, f"{message}; split it", param="inputs")
            if wait_s:
                raise _exceeded(f"{tokens} tokens are more than what is left for this {what}", wait_s)
        for bucket in self._tokens.values():
            bucket.take(tokens)


def _exceeded(why: str, wait_s: float) -> JubakoError:
    message = f"{why}: the key's quota; retry after the given time"
    return JubakoError(Code.QUOTA_EXCEEDED, message, retry_after_s=math.ceil(wait_s))
