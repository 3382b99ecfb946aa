"""From a gRPC status to the error that HTTP tells of the same."""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from jubako.errors import HTTP_STATUS, DeadlineError, ServerError, ServerUnreachable, server_error

DETAILS_KEY = "grpc-status-details-bin"
PLAIN: Mapping[Any, tuple[str, int]] = {
    grpc.StatusCode.INVALID_ARGUMENT: ("malformed", 400),
    grpc.StatusCode.UNAUTHENTICATED: ("unauthenticated", 401),
    grpc.StatusCode.PERMISSION_DENIED: ("forbidden", 403),
    grpc.StatusCode.NOT_FOUND: ("unknown_path", 404),
    grpc.StatusCode.UNIMPLEMENTED: ("unknown_path", 404),
    grpc.StatusCode.RESOURCE_EXHAUSTED: ("too_large", 413),
    grpc.StatusCode.CANCELLED: ("cancelled", 499),
    grpc.StatusCode.INTERNAL: ("failed", 500),
    grpc.StatusCode.DEADLINE_EXCEEDED: ("deadline", 504),
}
"""Statuses without details: from gRPC itself, at either end, or from a proxy."""


def read_error(error: Any, url: str, request_id: str, timeout_s: float) -> ServerError | ServerUnreachable:
    """Return what a call ended in, a `grpc.RpcError`."""
    status, message = error.code(), error.details() or ""
    trailing = {entry[0]: entry[1] for entry in error.trailing_metadata() or ()}
    request_id = str(trailing.get("x-request-id", request_id))
    told = _read_details(trailing.get(DETAILS_KEY))
    if told is not None:
        body, retry_after_s = told
        http = HTTP_STATUS.get(body["code"], 500)
        return server_error(http, body["code"], message or body["message"], body["param"], retry_after_s, request_id)
    if status == grpc.StatusCode.UNAVAILABLE:
        return ServerUnreachable(url, message)
    if status == grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineError(504, "deadline", f"no answer from {url} within {timeout_s:g} s", None, None, request_id)
    code, http = PLAIN.get(status, ("unknown", 500))
    return ServerError(http, code, message, None, _seconds(trailing.get("retry-after")), request_id)


def error_body(status: status_pb2.Status) -> dict[str, Any]:
    """Return the error object of the HTTP contract, from the status of one input or of one request of a stream."""
    info, _ = _unpack(status)
    return {"code": info.reason or "unknown", "message": status.message, "param": info.metadata.get("param") or None}


def stream_error(status: status_pb2.Status, request_id: str) -> ServerError:
    """Return the error of one request of a stream."""
    body, (_, retry) = error_body(status), _unpack(status)
    http = HTTP_STATUS.get(body["code"], 500)
    return server_error(http, body["code"], body["message"], body["param"], retry, request_id)


def _read_details(packed: bytes | str | None) -> tuple[dict[str, Any], float | None] | None:
    if not isinstance(packed, bytes):
        return None
    try:
        status = status_pb2.Status.FromString(packed)
    except DecodeError:
        return None
    info, retry_after_s = _unpack(status)
    return (error_body(status), retry_after_s) if info.reason else None


def _unpack(status: status_pb2.Status) -> tuple[error_details_pb2.ErrorInfo, float | None]:
    """Return what the details hold: the error's code and parameter, and after how many seconds to ask again."""
    info, retry_after_s = error_details_pb2.ErrorInfo(), None
    for detail in status.details:
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
        else:
            detail.Unpack(info)
    return info, retry_after_s


def _seconds(told: bytes | str | None) -> float | None:
    return float(told) if isinstance(told, str) and told.isdecimal() else None
