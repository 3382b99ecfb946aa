"""`X-Request-ID`: what a caller calls a request, or a name of ours, on its answer and in the access log."""

import random
import re

from serving.api.asgi import Headers

HEADER = b"x-request-id"

_SANE = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
"""What ends up in headers and log lines as it came: no space, no control character, no quote."""


def request_id(headers: Headers) -> bytes:
    """Return the caller's id where it is a sane one, and otherwise 32 random hexadecimal digits."""
    for name, value in headers:
        if name == HEADER and _SANE.fullmatch(value):
            return value
    return b"%032x" % random.getrandbits(128)


def answer_headers(own_id: bytes) -> Headers:
    """Return the headers of every answer of ours."""
    return [CACHE_CONTROL, (HEADER, own_id)]


CACHE_CONTROL = (b"cache-control", b"no-store")
