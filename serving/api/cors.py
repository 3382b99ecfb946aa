"""Cross-origin requests (the Fetch standard): which pages of other sites may call from a browser.

Credentials in the Fetch standard's sense, cookies for example, are never allowed: a key travels in a header of its own,
which a page has to know, so no page can use one that it was not given.
"""

from collections.abc import Sequence

from serving.api.asgi import Answer, Headers, Scope

METHODS = b"GET, HEAD, POST, OPTIONS"
TAKEN = (
    b"authorization, content-encoding, content-type, inference-header-content-length, traceparent, tracestate, "
    b"x-api-key, x-request-id, x-request-timeout-ms"
)
"""Headers of requests that pages may send."""
EXPOSED = b"inference-header-content-length, retry-after, server-timing, www-authenticate, x-request-id"
"""Headers of answers that pages may read."""
MAX_AGE_S = b"600"
VARY = (b"vary", b"origin")


class Cors:
    """Tells browsers which origins may call; without origins it says nothing, and browsers let no other site's page."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def told(self, headers: Headers) -> Headers:
        """Return the headers of an answer to a request with these headers."""
        if not self._origins:
            return []
        allowed = self._allowed(headers)
        varies = [] if self._any else [VARY]  # an answer for one origin must not be kept for another
        if allowed is None:
            return varies
        return [(b"access-control-allow-origin", allowed), (b"access-control-expose-headers", EXPOSED), *varies]

    def preflight(self, scope: Scope) -> Answer | None:
        """Return the answer to a browser's question whether it may send a request; None: it is no such question, or the
        answer is no. Such a question never carries a key."""
        if not self._origins or scope["method"] != "OPTIONS":
            return None
        headers: Headers = scope["headers"]
        asks = any(name == b"access-control-request-method" for name, _ in headers)
        if not asks or self._allowed(headers) is None:
            return None
        allows = [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", TAKEN),
            (b"access-control-max-age", MAX_AGE_S),
        ]
        return Answer(b"", 204, headers=allows)

    def _allowed(self, headers: Headers) -> bytes | None:
        """Return what `access-control-allow-origin` is to hold; None: the origin may not call, or there is none."""
        origin = next((value for name, value in headers if name == b"origin"), None)
        if origin is None:
            return None
        if self._any:
            return b"*"
        return origin if origin in self._origins else None
