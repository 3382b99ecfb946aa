"""What a server of two fronts and a runner tells of itself: traces, logs and metrics; and what it never tells."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bundle.bundle import Bundle
from tests.e2e.collector import Collector, Span, collecting
from tests.e2e.server import Server, running, wait_until_ready
from wire._generated import encoder_pb2 as pb
from wire._generated.encoder_pb2_grpc import EncoderStub

SECRET = "zanzibarquux"
"""Sent in every place of every kind of request; no word of it may be written down."""
TEXT = f"rice {SECRET} trays"
PARENT = "b7ad6b7169203331"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def server(
    collector: Collector,
    stored_tiny: Bundle,
    stored_tales: Bundle,
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "server.log"
    with running(
        repository, log, JUBAKO_MODELS='["tiny", "tales"]', JUBAKO_TOPOLOGY="split", JUBAKO_FRONTS="2",
        JUBAKO_OBSERVABILITY__LOG_FORMAT="json", JUBAKO_OBSERVABILITY__TRACE_ENDPOINT=collector.endpoint,
        OTEL_BSP_SCHEDULE_DELAY="100",
    ) as server:  # fmt: skip
        yield server


@pytest.fixture
def stub(server: Server) -> Iterator[EncoderStub]:
    with grpc.insecure_channel(server.grpc_address) as channel:
        yield EncoderStub(channel)


def traceparent(trace: str) -> str:
    return f"00-{trace}-{PARENT}-01"


def tree(spans: list[Span]) -> dict[str, str]:
    """Return the name of each span's parent."""
    names = {span.own: span.name for span in spans}
    return {span.name: names.get(span.parent, span.parent) for span in spans}


def lines(server: Server) -> list[dict[str, Any]]:
    """Return those lines of the log that are objects."""
    return [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]


def line_of(server: Server, request_id: str) -> dict[str, Any]:
    """Wait for a request's line in the access log; BentoML writes another one for what it answers itself."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        found[:] = [each for each in lines(server) if each.get("request_id") == request_id and "endpoint" in each]
        return bool(found)

    until(is_there)
    return found[0]


def check_trace(spans: list[Span], name: str, texts: int) -> None:
    assert tree(spans) == {
        name: PARENT, "tokenize": name, "runner": name, "queue": "runner", "compute": "runner"
    }  # fmt: skip
    by_name = {span.name: span for span in spans}
    request, runner = by_name[name], by_name["runner"]
    assert {span.name: span.service for span in spans if span.service == "jubako"}.keys() == {name, "tokenize"}
    assert {runner.service, by_name["queue"].service, by_name["compute"].service} == {"jubako_runner_0"}
    assert request.begin_ns <= runner.begin_ns <= runner.end_ns <= request.end_ns
    assert (request.attributes["jubako.model"], request.attributes["jubako.version"]) == ("tiny", "1")
    assert request.attributes["jubako.inputs"] == runner.attributes["jubako.rows"] == texts
    assert request.attributes["jubako.tokens"] == runner.attributes["jubako.tokens"] > 0
    assert by_name["compute"].attributes["jubako.batch_rows"] >= 1


def test_a_request_over_http_is_one_trace_across_front_and_runner(server: Server, collector: Collector) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": traceparent(trace), "x-request-id": "order-4711"}
    body = {"inputs": [TEXT, "rice"], "model": "tiny"}
    assert httpx.post(f"{server.url}/embed", json=body, headers=headers).status_code == 200
    check_trace(collector.trace(trace, 5), "POST /embed", texts=2)
    line = line_of(server, "order-4711")
    assert (line["trace_id"], line["model"], line["inputs"], line["status"]) == (trace, "tiny", 2, 200)
    assert line["tokens"] > 0
    assert line["duration_ms"] > 0


def test_a_call_over_grpc_is_one_trace_across_front_and_runner(
    server: Server, stub: EncoderStub, collector: Collector
) -> None:
    trace = "1af7651916cd43dd8448eb211c80319c"
    metadata = (("traceparent", traceparent(trace)), ("x-request-id", "order-4712"))
    stub.Embed(pb.EmbedRequest(inputs=[pb.Input(text=TEXT)], options=pb.EmbedOptions(model="tiny")), metadata=metadata)
    check_trace(collector.trace(trace, 5), "jubako.v1.Encoder/Embed", texts=1)
    assert line_of(server, "order-4712")["trace_id"] == trace


def test_what_a_caller_does_not_sample_is_not_sent_and_its_trace_is_in_the_log(
    server: Server, collector: Collector
) -> None:
    trace = "2af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-{PARENT}-00", "x-request-id": "order-4713"}
    httpx.post(f"{server.url}/embed", json={"inputs": ["rice"]}, headers=headers)
    assert line_of(server, "order-4713")["trace_id"] == trace
    follower = "3af7651916cd43dd8448eb211c80319c"
    httpx.post(f"{server.url}/embed", json={"inputs": ["rice"]}, headers={"traceparent": traceparent(follower)})
    assert collector.trace(follower, 5)
    assert collector.trace(trace, 0) == []


def bodies() -> list[tuple[str, object]]:
    """Return requests with the secret in every part that a caller writes, good ones and bad ones."""
    return [
        ("/embed", {"inputs": [TEXT]}),
        ("/embed", {"inputs": [TEXT, 5, {SECRET: SECRET}]}),
        ("/embed", {"inputs": [{SECRET: SECRET}]}),
        ("/embed", {"inputs": [TEXT], "model": SECRET}),
        ("/embed", {"inputs": [TEXT], "prompt": SECRET}),
        ("/embed", {"inputs": [TEXT], "dimensions": SECRET}),
        ("/embed", {"inputs": [TEXT * 100], "truncate": False}),
        ("/embed", {"inputs": TEXT, SECRET: SECRET}),
        ("/v1/embeddings", {"input": [TEXT], "model": "tiny"}),
        ("/v1/embeddings", {"input": {SECRET: SECRET}, "model": SECRET}),
        ("/classify", {"inputs": [TEXT]}),
        ("/classify", {"inputs": [{"title": SECRET, "year": SECRET}]}),
        ("/classify", {"inputs": [TEXT], "model": "tiny", "candidate_labels": [SECRET, "rice"]}),
        ("/recommend", {"user": {"id": SECRET, "history": [SECRET]}}),
        ("/v2/models/tiny/infer", {"inputs": [infer_input([TEXT])]}),
        ("/v2/models/tiny/infer", {"inputs": [infer_input([5, {SECRET: 1}])]}),
    ]


def infer_input(data: list[object]) -> dict[str, object]:
    return {"name": "text", "shape": [len(data)], "datatype": "BYTES", "data": data}


def broken() -> list[tuple[str, bytes, dict[str, str]]]:
    """Return requests that are none."""
    secret = SECRET.encode()
    return [
        ("/embed", b'{"inputs": ["' + secret, {}),
        ("/embed", b"\xff" + secret, {}),
        ("/embed", secret, {"content-encoding": "gzip"}),
        ("/embed", secret, {"content-encoding": SECRET}),
        ("/embed", secret, {"content-type": SECRET}),
        ("/embed", b'{"inputs": ["rice"]}', {"x-request-timeout-ms": SECRET}),
        ("/embed", b'{"inputs": ["rice"]}', {"x-request-id": f"{SECRET} is not sane", "traceparent": SECRET}),
        (f"/embed?{SECRET}={SECRET}", b'{"inputs": ["rice"]}', {}),
    ]


def test_nothing_of_what_callers_send_is_written_down(server: Server, stub: EncoderStub, collector: Collector) -> None:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        statuses = {client.post(path, json=body).status_code for path, body in bodies()}
        statuses |= {client.post(path, content=body, headers=headers).status_code for path, body, headers in broken()}
        assert {200, 400, 404, 415, 422} <= statuses
        assert 500 not in statuses
        with pytest.raises(httpx.TimeoutException):
            client.post("/embed", json={"inputs": [TEXT] * 2000}, timeout=0.01)
    for model in ("tiny", SECRET):
        request = pb.EmbedRequest(inputs=[pb.Input(text=TEXT)], options=pb.EmbedOptions(model=model, prompt=SECRET))
        with pytest.raises(grpc.RpcError):
            stub.Embed(request)
    record = pb.Input()
    record.record.update({SECRET: SECRET})
    stub.Embed(pb.EmbedRequest(inputs=[record, pb.Input(text=TEXT)]))
    list(stub.EmbedStream(iter([pb.EmbedStreamRequest(inputs=[pb.Input(text=TEXT)])])))
    trace = "4af7651916cd43dd8448eb211c80319c"
    headers = {"x-request-id": "the-last-one", "traceparent": traceparent(trace)}
    httpx.post(f"{server.url}/embed", json={"inputs": [TEXT]}, headers=headers)
    line_of(server, "the-last-one")
    assert collector.trace(trace, 5)
    assert SECRET not in server.log.read_text()
    assert SECRET not in collector.raw()


def test_every_line_that_a_worker_writes_is_an_object(server: Server) -> None:
    httpx.get(f"{server.url}/nowhere%0a%7b%22level%22:%22forged%22%7d", headers={"x-request-id": "forged"})
    line = line_of(server, "forged")
    assert (line["endpoint"], line["code"], line["status"]) == ("unknown", "unknown_path", 404)
    assert line["path"].startswith("/nowhere%0A")
    others = [line for line in server.log.read_text().splitlines() if line and not line.startswith("{")]
    assert others == []
    for line in lines(server):
        assert {"time", "level", "logger", "message"} <= line.keys()


def values(server: Server, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a name by the values of their labels, in the labels' order."""
    families = text_string_to_metric_families(httpx.get(f"{server.url}/metrics", timeout=30).text)
    return {
        tuple(sample.labels[label] for label in sorted(sample.labels)): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def test_the_metrics_are_those_of_all_processes(server: Server, stub: EncoderStub) -> None:
    def counted() -> tuple[float, float, float]:
        requests = values(server, "jubako_request_seconds_count")
        tokens = values(server, "jubako_tokens_total")
        return (
            requests.get(("/embed", "200"), 0),
            tokens[("tiny", "1")],
            values(server, "jubako_tokenize_seconds_count")[("tiny",)],
        )

    before = counted()
    for _ in range(20):  # each on a connection of its own, so that both fronts get some
        httpx.post(f"{server.url}/embed", json={"inputs": ["rice"], "model": "tiny"})
    until(lambda: counted()[::2] == (before[0] + 20, before[2] + 20))  # the other front tells a moment later
    assert counted()[1] - before[1] >= 60
    httpx.post(f"{server.url}/embed", json={"inputs": ["rice"], "model": "none"})
    with pytest.raises(grpc.RpcError):
        stub.Embed(pb.EmbedRequest(inputs=[pb.Input(text="x")], options=pb.EmbedOptions(model="none")))
    errors = values(server, "jubako_errors_total")
    assert errors[("unknown_model", "/embed", "404")] >= 1
    assert errors[("unknown_model", "/jubako.v1.Encoder/Embed", "NOT_FOUND")] >= 1
    assert values(server, "jubako_worker_starts_total") == {("front",): 2, ("runner",): 1}
    roles = [role for _, role in values(server, "jubako_process_resident_memory_bytes")]
    assert sorted(roles) == ["front", "front", "runner", "supervisor"]
    assert values(server, "jubako_ready") == {(): 1}
    info = values(server, "jubako_model_info")
    assert {labels[3] for labels in info} == {"tiny", "tales"}
    assert all(labels[0].startswith("CPU") and labels[2].endswith(".onnx") for labels in info)


@pytest.mark.parametrize("role", ["front", "runner"])
def test_a_worker_that_is_killed_leaves_no_gauge_and_its_restart_is_counted(server: Server, role: str) -> None:
    held = values(server, "jubako_queue_max_tokens")
    before = values(server, "jubako_worker_starts_total")
    requests = values(server, "jubako_request_seconds_count")[("/embed", "200")]
    pid = next(pid for pid, each in values(server, "jubako_worker_start_time_seconds") if each == role)
    os.kill(int(pid), signal.SIGKILL)
    until(lambda: values_or_none(server, "jubako_worker_starts_total").get((role,)) == before[(role,)] + 1)
    wait_until_ready(server)
    for name in ("jubako_worker_start_time_seconds", "jubako_process_resident_memory_bytes", "jubako_tasks"):
        assert pid not in {label for labels in values(server, name) for label in labels}
    assert values(server, "jubako_queue_max_tokens") == held
    assert values(server, "jubako_request_seconds_count")[("/embed", "200")] >= requests


def values_or_none(server: Server, name: str) -> dict[tuple[str, ...], float]:
    try:
        return values(server, name)
    except httpx.TransportError:
        return {}
