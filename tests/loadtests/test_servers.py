import sys
import time
from pathlib import Path

import psutil
import pytest

from bundle.bundle import Bundle
from bundle.store import find
from loadtests.arms import own_home
from loadtests.measure import beside_others, exclusive, idle_percent, measure
from loadtests.plan import Plan, Request
from loadtests.servers import Server, free_port

SERVE = """
import http.server, os, subprocess, sys
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_GET(self):
        self.do_POST()
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args):
        pass
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


def server(script: str = SERVE, log: Path | None = None) -> Server:
    port = free_port()
    return Server([sys.executable, "-c", script, str(port)], port, probe="/", log=log)


def test_a_server_is_ready_inside_and_gone_after_with_all_its_processes() -> None:
    with server() as running:
        processes = running.processes()
        assert running.get("/") == "ok"
        assert len(processes) == 2
    assert not any(process.is_running() for process in processes)


def test_a_server_that_fails_is_told_with_its_log(tmp_path: Path) -> None:
    broken = server("raise SystemExit('no such graph')", tmp_path / "log")
    with pytest.raises(RuntimeError, match=r"status 1.*\n.*no such graph"), broken:
        pass
    assert broken.processes() == []


def test_a_paused_server_spends_nothing_and_goes_on_after() -> None:
    with server() as running:
        running.pause()
        give_up = time.monotonic() + 5
        while {process.status() for process in running.processes()} != {psutil.STATUS_STOPPED}:
            assert time.monotonic() < give_up  # a signal takes a moment to arrive
        running.resume()
        assert running.get("/") == "ok"


def test_a_paused_server_can_be_stopped() -> None:
    with server() as running:
        processes = running.processes()
        running.pause()
    assert not any(process.is_running() for process in processes)


def test_measure_counts_the_cpu_of_the_server_and_of_the_load() -> None:
    with server() as running:
        plan = Plan(running.port, [Request("{}", 1, 5)], connections=2, duration_s=0.5, warmup_s=0.1, path="/")
        found, record = measure(running, plan)
    assert found.window.requests == len(record.status[(record.due_ns >= 0) & (record.due_ns < record.window_s * 1e9)])
    assert found.window.failures == 0
    assert 0.1 < found.server_cores < 2.5
    assert 0.0 < found.window.client_cores < 1.0
    assert found.rss_mib > 5


def test_idle_cpu_is_that_of_the_whole_tree() -> None:
    busy = SERVE.replace("import time; time.sleep(600)", "while True: pass")
    with server() as quiet, server(busy) as loud:
        assert idle_percent(quiet, 0.5) < 20
        assert idle_percent(loud, 0.5) > 25


def test_work_is_told_apart_from_what_others_do() -> None:
    def work() -> str:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
        return "done"

    result, quiet = beside_others(work)
    with server(SERVE.replace("import time; time.sleep(600)", "while True: pass")):
        _, disturbed = beside_others(work)
    assert result == "done"
    assert disturbed > 0.25
    assert quiet >= 0.0


def test_a_lock_keeps_measurements_apart(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    script = (
        "import fcntl, sys\n"
        "with open(sys.argv[1], 'a') as file:\n"
        "    try: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "    except BlockingIOError: sys.exit(3)\n"
    )
    command = [sys.executable, "-c", script, str(lock)]
    with exclusive(lock):
        assert psutil.Popen(command).wait(20) == 3
    assert psutil.Popen(command).wait(20) == 0


def test_homes_share_the_store_and_nothing_else(tmp_path: Path, stored_tiny: Bundle) -> None:
    bundle = find("tiny")
    homes = [own_home(tmp_path / name, bundle) for name in ("one", "two")]
    for home in homes:
        assert (home / "models" / "tiny" / bundle.manifest.version / "manifest.json").is_file()
    (homes[0] / "prometheus_multiproc_dir").mkdir()
    assert not (homes[1] / "prometheus_multiproc_dir").exists()
