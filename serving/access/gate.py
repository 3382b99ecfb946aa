"""The gate: where a transport asks, before it reads a request, who calls and whether they may."""

import logging
from collections.abc import Collection, Iterable

from serving.access.caller import CALLER, NOBODY
from serving.access.keyring import Keyring
from serving.access.records import Endpoint
from serving.errors import Code, JubakoError
from serving.settings import Settings

logger = logging.getLogger("jubako.keys")

SCHEME = "bearer "
OPEN: frozenset[Endpoint] = frozenset()
"""What a route is for that anybody may ask: health."""
COMPUTING = frozenset({Endpoint.EMBED, Endpoint.CLASSIFY, Endpoint.RECOMMEND})
"""What a route is for whose body tells what is asked; the core holds the caller to the one of them."""


class Gate:
    """Lets callers in who have a key, or everybody when there is no keyring."""

    def __init__(self, keyring: Keyring | None = None, metrics_need_a_key: bool = False) -> None:
        self._keyring = keyring
        self.of_metrics = frozenset({Endpoint.METRICS}) if metrics_need_a_key else OPEN

    @classmethod
    def of(cls, settings: Settings, required: bool) -> "Gate":
        """Return the gate of a worker.

        Raises:
            KeyFileError: the file of keys cannot be read.
        """
        access = settings.access
        if not required:
            return cls()
        share = settings.fronts if settings.topology == "split" else 1
        keyring = Keyring(access.keys, access.keys_file, share)
        logger.info("requests need a key, of which %d are known", len(keyring))
        return cls(keyring, access.metrics == "key")

    @property
    def needs_keys(self) -> bool:
        """Whether anything but health is refused without a key."""
        return self._keyring is not None

    def admit(self, endpoints: Collection[Endpoint], authorization: str | None, api_key: str | None) -> None:
        """Let a request in that is for one of these endpoints, and note who calls for as long as it runs.

        The two headers are those that may bring a key; who sends both is known by the first.

        Raises:
            JubakoError: `unauthenticated`, `forbidden` or `quota_exceeded`.
        """
        if self._keyring is None:
            return
        if not endpoints:
            CALLER.set(NOBODY)
            return
        bearer = authorization is not None and authorization[: len(SCHEME)].lower() == SCHEME
        presented = authorization[len(SCHEME) :].strip() if bearer and authorization else api_key
        if not presented:
            message = "a key is needed here; send it as `authorization: Bearer KEY` or `x-api-key: KEY`"
            raise JubakoError(Code.UNAUTHENTICATED, message)
        caller = self._keyring.caller_of(presented)
        caller.refuse_others(endpoints)
        if caller.allowance is not None:
            caller.allowance.admit()
        CALLER.set(caller)

    def admit_headers(self, endpoints: Collection[Endpoint], headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Let an HTTP request in; as `admit`. Names of headers are in lower case."""
        if self._keyring is None:
            return
        authorization = api_key = None
        for name, value in headers:
            if name == b"authorization":
                authorization = authorization or value.decode("latin-1")
            elif name == b"x-api-key":
                api_key = api_key or value.decode("latin-1")
        self.admit(endpoints, authorization, api_key)

    def admit_metadata(self, endpoints: Collection[Endpoint], metadata: Iterable[tuple[str, str | bytes]]) -> None:
        """Let a gRPC call in; as `admit`."""
        if self._keyring is None:
            return
        given = {name: value for name, value in metadata if isinstance(value, str)}
        self.admit(endpoints, given.get("authorization"), given.get("x-api-key"))
