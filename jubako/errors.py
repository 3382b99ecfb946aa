"""What a client raises: the server's errors by their code, and the absence of a server."""

from collections.abc import Mapping
from typing import Any, Self

HTTP_STATUS: Mapping[str, int] = {
    "malformed": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "unknown_model": 404,
    "unknown_item": 404,
    "unknown_path": 404,
    "wrong_method": 405,
    "slow_body": 408,
    "version_changed": 409,
    "too_large": 413,
    "wrong_encoding": 415,
    "wrong_media_type": 415,
    "invalid_value": 422,
    "too_long": 422,
    "overloaded": 429,
    "quota_exceeded": 429,
    "cancelled": 499,
    "failed": 500,
    "not_ready": 503,
    "deadline": 504,
}
"""The HTTP status of each code, so that an error over gRPC, or of a single input, tells the same."""


class ServerError(Exception):
    """An error that the server answers with, or any other answer that is not a success."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"{code} ({status}): {message}")
        self.status = status
        """HTTP status, over gRPC too."""
        self.code = code
        """Stable name, for example `overloaded`; switch on this."""
        self.message = message
        self.param = param
        """The parameter at fault, for example `inputs.3`."""
        self.retry_after_s = retry_after_s
        """After how many seconds the server wants to be asked again, where it says so."""
        self.request_id = request_id
        """What to look for in the server's log."""

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        """Pass between processes: the arguments are more than the message."""
        return type(self), (self.status, self.code, self.message, self.param, self.retry_after_s, self.request_id)

    @classmethod
    def from_answer(
        cls, status: int, body: Any, retry_after_s: float | None = None, request_id: str | None = None
    ) -> "ServerError":
        """Read an error body; one that does not follow the contract is told as it is."""
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict):
            return server_error(status, "unknown", str(body)[:200], None, retry_after_s, request_id)
        code, message = str(error.get("code")), str(error.get("message"))
        return server_error(status, code, message, error.get("param"), retry_after_s, request_id)

    @classmethod
    def of_input(cls, error: Mapping[str, Any]) -> "ServerError":
        """Read the error of a single input, which came with an answer that is a success."""
        code = str(error.get("code"))
        return server_error(HTTP_STATUS.get(code, 500), code, str(error.get("message")), error.get("param"))


class DeadlineError(ServerError, TimeoutError):
    """The time was over, here or at the server."""


class ServerUnreachable(ConnectionError):
    """Nothing answers at the URL, or the connection broke before an answer came."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"no answer from {url} ({reason}); is the server running, and is this its address?")
        self.url = url
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """Pass between processes, as `ServerError` does."""
        return type(self), (self.url, self.reason)


def server_error(
    status: int,
    code: str,
    message: str,
    param: str | None = None,
    retry_after_s: float | None = None,
    request_id: str | None = None,
) -> ServerError:
    """Return the error of a code, in the class that it has."""
    kind = DeadlineError if code == "deadline" or status == HTTP_STATUS["deadline"] else ServerError
    return kind(status, code, message, param, retry_after_s, request_id)
