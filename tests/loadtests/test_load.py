"""The load generator against a real server: what it counts has to be what the server saw."""

import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from loadtests.loops import ClosedLoop, OpenLoop, poisson_schedule
from loadtests.plan import LOST, NS, Plan, Record, Request
from loadtests.summary import summarise
from tests.loadtests.tiny_http import Reply, tiny_server

REQUESTS = [Request(f'{{"inputs":["{number}"]}}', texts=1, tokens=5) for number in range(3)]


def plan(port: int, connections: int = 4, duration_s: float = 0.3, rate_per_s: float | None = None) -> Plan:
    return Plan(
        port, REQUESTS, connections, duration_s, warmup_s=0.1, grace_s=1.0, rate_per_s=rate_per_s, seed=1
    )  # fmt: skip


async def close(plan: Plan) -> Record:
    return await ClosedLoop(plan, lambda word: None).run()


async def open_up(plan: Plan) -> Record:
    return await OpenLoop(plan, lambda word: None).run()


async def test_closed_loop_records_every_request_the_server_saw() -> None:
    async with tiny_server(lambda number: Reply(delay_s=0.005)) as server:
        record = await close(plan(server.port))
    assert len(record.status) == len(server.bodies)
    assert set(record.status) == {200}
    assert (record.done_ns - record.sent_ns >= 5_000_000).all()


async def test_closed_loop_keeps_its_connections() -> None:
    async with tiny_server() as server:
        await close(plan(server.port, connections=4))
        assert server.connections == 4
        assert len(server.bodies) > 40


async def test_closed_loop_has_one_request_per_connection_under_way() -> None:
    async with tiny_server(lambda number: Reply(delay_s=0.02)) as server:
        record = await close(plan(server.port, connections=3))
    moments = (record.sent_ns + record.done_ns) // 2
    under_way = [int(((record.sent_ns <= at) & (record.done_ns > at)).sum()) for at in moments]
    assert max(under_way) == 3


async def test_requests_are_sent_in_turn() -> None:
    async with tiny_server() as server:
        record = await close(plan(server.port, connections=1))
    expected = [REQUESTS[number % 3].body.encode() for number in range(len(server.bodies))]
    assert server.bodies == expected
    assert list(record.request) == [number % 3 for number in range(len(record.request))]


async def test_answers_are_counted_by_status() -> None:
    async with tiny_server(lambda number: Reply(status=429 if number % 2 else 200)) as server:
        record = await close(plan(server.port))
    found = Counter(record.status.tolist())
    assert set(found) == {200, 429}
    assert abs(found[200] - found[429]) <= 1


async def test_a_dropped_connection_counts_as_lost_and_is_opened_again() -> None:
    async with tiny_server(lambda number: Reply(drop=number == 2)) as server:
        record = await close(plan(server.port, connections=1))
        assert server.connections == 2
    assert Counter(record.status.tolist())[LOST] == 1
    assert record.status[-1] == 200


async def test_an_announced_close_loses_nothing() -> None:
    async with tiny_server(lambda number: Reply(close=True)) as server:
        record = await close(plan(server.port, connections=2))
        assert server.connections > 2
    assert set(record.status) == {200}


async def test_a_server_that_never_answers_does_not_hold_the_run() -> None:
    async with tiny_server(lambda number: Reply(delay_s=60)) as server:
        record = await close(plan(server.port, connections=2))
    assert list(record.status) == [LOST, LOST]


async def test_a_server_that_is_not_there_gives_an_empty_record() -> None:
    async with tiny_server() as server:
        port = server.port
    record = await close(plan(port))
    assert len(record.status) == 0
    assert summarise(plan(port), record).requests == 0


async def test_open_loop_sends_what_is_scheduled() -> None:
    wanted = plan(0, rate_per_s=300.0, connections=64)
    schedule = poisson_schedule(300.0, wanted.warmup_s + wanted.duration_s, wanted.seed)
    async with tiny_server() as server:
        record = await open_up(plan(server.port, rate_per_s=300.0, connections=64))
    assert len(server.bodies) == len(record.status)
    assert abs(len(record.status) - len(schedule)) <= 3  # the last may be due after the window closed
    gaps = np.diff(record.due_ns)
    np.testing.assert_array_equal(gaps, np.diff(schedule)[: len(gaps)])


async def test_open_loop_does_not_wait_for_answers() -> None:
    async with tiny_server(lambda number: Reply(delay_s=0.2)) as server:
        record = await open_up(plan(server.port, rate_per_s=200.0, connections=100))
    lag = record.sent_ns - record.due_ns
    assert np.percentile(lag, 90) < 0.1 * NS


async def test_open_loop_charges_a_stall_to_everybody_who_was_due() -> None:
    """One connection, one stall: a closed loop would see one slow answer, the truth is that all later ones waited."""
    async with tiny_server(lambda number: Reply(delay_s=0.3 if number == 12 else 0.0)) as server:
        record = await open_up(plan(server.port, rate_per_s=200.0, connections=1, duration_s=0.5))
    late = record.done_ns - record.due_ns > 0.05 * NS
    assert late.sum() > 20
    assert set(record.status) == {200}


def test_poisson_schedule_is_seeded() -> None:
    np.testing.assert_array_equal(poisson_schedule(50, 2.0, 7), poisson_schedule(50, 2.0, 7))
    assert not np.array_equal(poisson_schedule(50, 2.0, 7)[:10], poisson_schedule(50, 2.0, 8)[:10])


def test_poisson_schedule_has_the_rate_and_the_scatter_of_a_poisson_process() -> None:
    times = poisson_schedule(1000.0, 20.0, seed=1)
    gaps = np.diff(times) / NS
    assert abs(len(times) - 20_000) < 600  # four standard deviations
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # as exponential gaps have, and even ones have not
    assert (gaps >= 0).all()
    assert times[-1] < 20 * NS


@pytest.mark.parametrize("host", ["example.org", "10.0.0.1", "0.0.0.0", "::", "192.168.1.7", ""])
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Plan(80, REQUESTS, 1, 1.0, host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_loopback_hosts_are_taken(host: str) -> None:
    assert Plan(80, REQUESTS, 1, 1.0, host=host).host == host


@pytest.mark.parametrize(
    ("requests", "connections", "duration_s", "rate_per_s"),
    [([], 1, 1.0, None), (REQUESTS, 0, 1.0, None), (REQUESTS, 1, 0.0, None), (REQUESTS, 1, 1.0, 0.0)],
)
def test_plans_that_make_no_sense_are_refused(
    requests: list[Request], connections: int, duration_s: float, rate_per_s: float | None
) -> None:
    with pytest.raises(ValueError, match="needs"):
        Plan(80, requests, connections, duration_s, rate_per_s=rate_per_s)


def test_plan_survives_its_file(tmp_path: Path) -> None:
    wanted = plan(1234, rate_per_s=7.5)
    wanted.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == wanted


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        type(self).seen += 1
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_load_process_marks_the_window_and_brings_back_a_record(tmp_path: Path, repository: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        plan(server.server_address[1]).write(tmp_path / "plan.json")
        command = [sys.executable, "-m", "loadtests.client_process", "plan.json", "record.npz"]
        command[3:] = [str(tmp_path / name) for name in command[3:]]
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True, timeout=60)
        server.shutdown()
        thread.join()
    record = Record.read(tmp_path / "record.npz")
    assert done.stdout == "start\nstop\n"
    assert len(record.status) == _Answer.seen
    assert set(record.status) == {200}
    assert record.window_s == pytest.approx(0.3, abs=0.1)
    assert 0 < record.client_cpu_s < record.window_s
