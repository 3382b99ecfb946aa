"""Log lines: one for each record, in JSON where that is set, and nothing of a request in tracebacks."""

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from serving.api.access_log import AccessLog
from serving.errors import Code
from serving.settings import Observability
from serving.telemetry.logs import JsonFormatter, TextFormatter
from serving.telemetry.request_context import CURRENT, RequestContext, of_no_request

SECRET = "what-a-caller-sent"
Log = tuple[logging.Logger, StringIO]


@pytest.fixture
def log() -> Iterator[Log]:
    """A logger of the tests' own that writes to a string."""
    logger, written = logging.getLogger("jubako.access"), StringIO()
    handler = logging.StreamHandler(written)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger, written
    logger.removeHandler(handler)


def formatted(log: Log, formatter: logging.Formatter) -> logging.Logger:
    log[0].handlers[-1].setFormatter(formatter)
    return log[0]


def fail() -> None:
    try:
        float(SECRET)
    except ValueError as error:
        error.add_note(SECRET)
        group = ExceptionGroup(SECRET, [KeyError(SECRET)])
        group.__cause__ = RuntimeError(SECRET)
        raise group from error


def raised_by_a_request(logger: logging.Logger) -> None:
    try:
        fail()
    except ExceptionGroup:
        logger.exception("%s failed", "/embed")


def test_a_record_is_one_line_of_json_whatever_it_says(log: Log) -> None:
    formatted(log, JsonFormatter()).warning("two lines\n%s\u2028\x00", '{"level": "forged"}')
    [line] = log[1].getvalue().splitlines()
    told = json.loads(line)
    assert (told["level"], told["logger"]) == ("WARNING", "jubako.access")
    assert told["message"] == 'two lines\n{"level": "forged"}\u2028\x00'
    assert told["time"].endswith("+00:00")


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter(logging.Formatter("%(message)s"))])
def test_a_traceback_tells_what_was_raised_where_but_not_what_it_says(log: Log, formatter: logging.Formatter) -> None:
    raised_by_a_request(formatted(log, formatter))
    written = log[1].getvalue()
    assert SECRET not in written
    for told in ("ValueError", "ExceptionGroup", "KeyError", "test_logs.py", "in fail", "/embed failed"):
        assert told in written


def test_messages_of_exceptions_are_told_where_that_is_set(log: Log) -> None:
    raised_by_a_request(formatted(log, JsonFormatter(exception_messages=True)))
    assert f"could not convert string to float: '{SECRET}'" in json.loads(log[1].getvalue())["exception"]


async def test_a_line_is_tied_to_the_request_that_it_is_about(log: Log) -> None:
    logger = formatted(log, JsonFormatter())
    CURRENT.set(RequestContext("order-4711", "0af7651916cd43dd8448eb211c80319c"))
    logger.warning("within")
    with of_no_request():
        logger.warning("beside")
    within, beside = map(json.loads, log[1].getvalue().splitlines())
    assert (within["request_id"], within["trace_id"]) == ("order-4711", "0af7651916cd43dd8448eb211c80319c")
    assert "request_id" not in beside


async def test_the_access_log_is_one_object_for_each_request(log: Log) -> None:
    formatted(log, JsonFormatter())
    access = AccessLog(Observability())
    good = RequestContext("a", "0af7651916cd43dd8448eb211c80319c", model="tiny", version="2", inputs=2, tokens=9)
    bad = RequestContext("b", code=Code.UNKNOWN_MODEL)
    access.answered(good, "POST", "/embed", "/embed", 200, 0.25, 80)
    access.answered(bad, "GET", "/models/{name}", '/models/a\n{"forged": 1}', 404, 0.001, 5)
    access.flush()
    first, second = map(json.loads, log[1].getvalue().splitlines())
    del first["time"], second["time"]
    assert first == {
        "level": "INFO", "logger": "jubako.access", "message": "request", "request_id": "a",
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "method": "POST", "endpoint": "/embed", "path": "/embed",
        "status": 200, "model": "tiny", "version": "2", "inputs": 2, "tokens": 9, "duration_ms": 250.0,
        "sent_bytes": 80,
    }  # fmt: skip
    assert (second["code"], second["endpoint"]) == ("unknown_model", "/models/{name}")
    assert second["path"] == "/models/a%0A%7B%22forged%22%3A%201%7D".replace("%3A", ":")
    assert "model" not in second


async def test_lines_for_people_end_with_the_code_and_the_trace(log: Log) -> None:
    formatted(log, TextFormatter(logging.Formatter("%(message)s")))
    access = AccessLog(Observability())
    access.answered(RequestContext("a", "0af7", code=Code.DEADLINE), "POST", "/embed", "/embed", 504, 0.25, 80)
    access.flush()
    assert log[1].getvalue().endswith(" POST /embed 504 250.00ms 80B a deadline trace=0af7\n")


def test_a_line_for_people_is_one_line_whatever_it_says(log: Log) -> None:
    formatted(log, TextFormatter(logging.Formatter("%(message)s"))).warning("path=%s", "/a\n[INFO] forged\x1b[2J\u2028")
    assert log[1].getvalue() == "path=/a\\n[INFO] forged\\x1b[2J\\u2028\n"
