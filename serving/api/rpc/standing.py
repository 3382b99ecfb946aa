"""Where the server stands, and how much of something it takes at once."""

import asyncio
from collections.abc import Callable
from types import TracebackType

from serving.core import Core
from serving.errors import Code, JubakoError

RETRY_S = 1


class Standing:
    """Loading, serving or draining: what every servicer asks before it does anything."""

    def __init__(self, core_of: Callable[[], Core | None]) -> None:
        self.draining = asyncio.Event()
        """Set once the server will stop: health says so, and whoever calls all the same is answered."""
        self.closing = asyncio.Event()
        """Set once no more is taken: streams end."""
        self._core_of = core_of

    @property
    def loaded(self) -> Core | None:
        """The core, None while models are being loaded."""
        return self._core_of()

    @property
    def core(self) -> Core:
        """The core.

        Raises:
            JubakoError: `not_ready`, while models are being loaded.
        """
        core = self._core_of()
        if core is None:
            raise JubakoError(Code.NOT_READY, "the models are being loaded", retry_after_s=RETRY_S)
        return core


class Room:
    """A bound on how many of something there are at once; entered for each of them."""

    def __init__(self, most: int, what: str, closing: asyncio.Event | None = None) -> None:
        """Take the bound and what is counted; nobody enters any more once `closing` is set."""
        self.taken = 0
        self._most = most
        self._what = what
        self._closing = closing

    def __enter__(self) -> None:
        """Take one in.

        Raises:
            JubakoError: `overloaded`, when there is no room for it; `not_ready`, when the server stops.
        """
        if self._closing is not None and self._closing.is_set():
            raise JubakoError(Code.NOT_READY, "the server is stopping; call another one", retry_after_s=RETRY_S)
        if self.taken >= self._most:
            message = f"{self.taken} {self._what} are open, the limit is {self._most}; retry after the given time"
            raise JubakoError(Code.OVERLOADED, message, retry_after_s=RETRY_S)
        self.taken += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.taken -= 1
