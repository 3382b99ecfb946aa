"""From the one error to what gRPC tells of it: a status code, rich details and trailing metadata."""

import math

from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from serving.errors import TABLE, Code, JubakoError

DOMAIN = "jubako"
DETAILS_KEY = "grpc-status-details-bin"
RETRY_KEY = "retry-after"
MAX_TOLD_BYTES = 1024
"""Of a message or a parameter: both travel in metadata, and clients refuse more than 8 KiB of that."""

Metadata = tuple[tuple[str, str | bytes], ...]


def status_code(error: JubakoError) -> StatusCode:
    """Return the status of an error's code."""
    code: StatusCode = StatusCode[TABLE[error.code].grpc]
    return code


def rich_status(error: JubakoError) -> status_pb2.Status:
    """Return the error with its details: ErrorInfo, and RetryInfo where the same call may succeed later."""
    info = error_details_pb2.ErrorInfo(reason=error.code.value, domain=DOMAIN)
    if error.param is not None:
        info.metadata["param"] = shortened(error.param)
    details = [_packed(info)]
    if error.retry_after_s is not None:
        delay = duration_pb2.Duration(seconds=_whole_seconds(error.retry_after_s))
        details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    number: int = status_code(error).value[0]
    return status_pb2.Status(code=number, message=shortened(error.message), details=details)


def error_metadata(error: JubakoError) -> Metadata:
    """Return the trailing metadata that go with an error."""
    details = ((DETAILS_KEY, rich_status(error).SerializeToString()),)
    if error.retry_after_s is None:
        return details
    return *details, (RETRY_KEY, str(_whole_seconds(error.retry_after_s)))


def internal_error() -> JubakoError:
    """Return the error that stands for an unexpected one, of which clients are told nothing."""
    return JubakoError(Code.FAILED, "an internal error; the server's log has its trace")


def shortened(text: str) -> str:
    """Return a text of at most `MAX_TOLD_BYTES`, an ellipsis in the place of what was cut."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MAX_TOLD_BYTES:
        return encoded.decode()
    return encoded[: MAX_TOLD_BYTES - len("…".encode())].decode(errors="ignore") + "…"


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _whole_seconds(seconds: float) -> int:
    return math.ceil(seconds)
