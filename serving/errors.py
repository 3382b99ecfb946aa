"""The one error that a caller can cause or meet, and the one table that maps its code to each transport."""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Stable names of everything that can go wrong; clients switch on these, not on messages."""

    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    QUOTA_EXCEEDED = "quota_exceeded"
    MALFORMED = "malformed"
    INVALID_VALUE = "invalid_value"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    UNKNOWN_MODEL = "unknown_model"
    UNKNOWN_ITEM = "unknown_item"
    UNKNOWN_PATH = "unknown_path"
    WRONG_METHOD = "wrong_method"
    WRONG_MEDIA_TYPE = "wrong_media_type"
    WRONG_ENCODING = "wrong_encoding"
    SLOW_BODY = "slow_body"
    OVERLOADED = "overloaded"
    NOT_READY = "not_ready"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True)
class Mapping:
    """How a code appears to a client."""

    http: int
    grpc: str
    """Name of the status in `grpc.StatusCode`."""
    retry: bool = False
    """Whether the same request may succeed later; such answers carry Retry-After."""


TABLE: dict[Code, Mapping] = {
    Code.UNAUTHENTICATED: Mapping(401, "UNAUTHENTICATED"),
    Code.FORBIDDEN: Mapping(403, "PERMISSION_DENIED"),
    Code.QUOTA_EXCEEDED: Mapping(429, "RESOURCE_EXHAUSTED", retry=True),
    Code.MALFORMED: Mapping(400, "INVALID_ARGUMENT"),
    Code.INVALID_VALUE: Mapping(422, "INVALID_ARGUMENT"),
    Code.TOO_LONG: Mapping(422, "INVALID_ARGUMENT"),
    Code.TOO_LARGE: Mapping(413, "RESOURCE_EXHAUSTED"),
    Code.UNKNOWN_MODEL: Mapping(404, "NOT_FOUND"),
    Code.UNKNOWN_ITEM: Mapping(404, "NOT_FOUND"),
    Code.UNKNOWN_PATH: Mapping(404, "UNIMPLEMENTED"),
    Code.WRONG_METHOD: Mapping(405, "UNIMPLEMENTED"),
    Code.WRONG_MEDIA_TYPE: Mapping(415, "INVALID_ARGUMENT"),
    Code.WRONG_ENCODING: Mapping(415, "UNIMPLEMENTED"),
    Code.SLOW_BODY: Mapping(408, "DEADLINE_EXCEEDED"),
    Code.OVERLOADED: Mapping(429, "RESOURCE_EXHAUSTED", retry=True),
    Code.NOT_READY: Mapping(503, "UNAVAILABLE", retry=True),
    Code.DEADLINE: Mapping(504, "DEADLINE_EXCEEDED"),
    Code.CANCELLED: Mapping(499, "CANCELLED"),
    Code.FAILED: Mapping(500, "INTERNAL"),
}


LONGEST_MESSAGE, LONGEST_PARAM = 1000, 200
"""Characters that are told; messages repeat what a caller sent, which may be megabytes, and go into headers too."""


class JubakoError(Exception):
    """An answerable failure: a code, a message that tells the person what to do, and the parameter at fault."""

    def __init__(
        self, code: Code, message: str, *, param: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = _shortened(message, LONGEST_MESSAGE)
        self.param = param and _shortened(param, LONGEST_PARAM)
        self.retry_after_s = retry_after_s

    @property
    def http_status(self) -> int:
        """HTTP status of this error's code."""
        return TABLE[self.code].http

    def body(self) -> dict[str, str | None]:
        """Return the `error` object of the HTTP contract."""
        return {"code": self.code.value, "message": self.message, "param": self.param}


def _shortened(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1]}…"
