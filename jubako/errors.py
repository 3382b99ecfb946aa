"""What a client raises when the server answers with an error."""

from typing import Any


class ServerError(Exception):
    """An error of the HTTP contract, or any other answer that is not a success."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(f"{code} ({status}): {message}")
        self.status = status
        self.code = code
        """Stable name, for example `overloaded`; switch on this."""
        self.message = message
        self.param = param

    @classmethod
    def from_answer(cls, status: int, body: Any) -> "ServerError":
        """Read an error body; one that does not follow the contract is told as it is."""
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict):
            return cls(status, "unknown", str(body)[:200])
        return cls(status, str(error.get("code")), str(error.get("message")), error.get("param"))
