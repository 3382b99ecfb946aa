"""`/metrics`: the workers that live, the work of all that ever did, and what is read when it is asked for."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.telemetry import gpus
from serving.telemetry.exposition import exposition

WORKER = """
import sys
from serving.telemetry.metrics import QueueMetrics, RequestMetrics, WorkerMetrics
WorkerMetrics("runner").started()
queue = QueueMetrics("tiny")
queue.bounded(100)
queue.held(int(sys.argv[1]))
queue.rejected()
RequestMetrics().answered("/embed", 200, 0.0)
print("told", flush=True)
sys.stdin.read()
"""
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Worker:
    """A process that writes metrics into the folder until it is killed."""

    def __init__(self, folder: Path, held: int, root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(held)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": str(root)},
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"told\n"

    @property
    def pid(self) -> str:
        return str(self.process.pid)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def workers(folder: Path, repository: Path) -> Iterator[list[Worker]]:
    workers = [Worker(folder, held, repository) for held in (5, 7)]
    yield workers
    for worker in workers:
        worker.kill()


def told(ready: bool = True) -> Samples:
    families = text_string_to_metric_families(exposition(ready).decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, metric: str, /, **labels: str) -> float | None:
    return samples.get((metric, frozenset(labels.items())))


def test_a_worker_that_dies_leaves_its_work_behind_and_no_gauge(workers: list[Worker]) -> None:
    first, second = workers
    before = told()
    assert value(before, "jubako_queue_tokens", model="tiny") == 12
    workers[0].kill()
    after = told()
    assert value(after, "jubako_queue_tokens", model="tiny") == 7
    assert value(after, "jubako_queue_max_tokens", model="tiny") == 100
    assert value(after, "jubako_rejected_total", model="tiny") == 2
    assert value(after, "jubako_request_seconds_count", endpoint="/embed", status="200") == 2
    assert value(after, "jubako_worker_starts_total", role="runner") == 2
    for samples, pid, there in ((before, first.pid, True), (after, first.pid, False), (after, second.pid, True)):
        memory = value(samples, "jubako_process_resident_memory_bytes", role="runner", pid=pid)
        assert (memory is not None and memory > 1e6) == there
        started = value(samples, "jubako_worker_start_time_seconds", role="runner", pid=pid)
        assert (started is not None) == there


def test_a_gauge_of_a_dead_worker_is_not_taken_for_that_of_a_process_that_got_its_id(
    folder: Path, workers: list[Worker]
) -> None:
    for file in folder.glob(f"gauge_*_{workers[0].pid}.db"):
        os.utime(file, (1, 1))
    assert value(told(), "jubako_queue_tokens", model="tiny") == 7


def test_processes_and_their_supervisor_are_told(workers: list[Worker]) -> None:
    samples = told()
    supervisor = value(samples, "jubako_process_start_time_seconds", role="supervisor", pid=str(os.getppid()))
    assert supervisor is not None
    for name in ("cpu_seconds_total", "threads", "open_fds"):
        found = value(samples, f"jubako_process_{name}", role="runner", pid=workers[0].pid)
        assert found is not None
        assert found > 0


def test_buckets_come_in_their_order_before_count_and_sum(workers: list[Worker]) -> None:
    lines = [line for line in exposition(True).decode().splitlines() if line.startswith("jubako_request_seconds")]
    bounds = [float(line.split('le="')[1].split('"')[0]) for line in lines if "_bucket" in line]
    assert bounds == sorted(bounds)
    assert [line.split("{")[0] for line in lines[-2:]] == [
        "jubako_request_seconds_count", "jubako_request_seconds_sum"
    ]  # fmt: skip


@pytest.mark.parametrize("ready", [True, False])
def test_readiness_is_told(folder: Path, ready: bool) -> None:
    assert value(told(ready), "jubako_ready") == ready


class NvmlError(Exception):
    pass


class NotSupported(NvmlError):
    pass


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The library of a machine with one GPU."""
    module = ModuleType("pynvml")
    parts = {
        "NVMLError": NvmlError,
        "NVMLError_NotSupported": NotSupported,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda handle: b"A GPU",
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(used=3, total=4),
        "nvmlDeviceGetUtilizationRates": lambda handle: SimpleNamespace(gpu=25),
    }
    for name, part in parts.items():
        setattr(module, name, part)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    gpus._opened.cache_clear()
    yield module
    gpus._opened.cache_clear()


GPU_METRICS = ("memory_used_bytes", "memory_total_bytes", "utilization_ratio")


def test_gpus_are_told_where_there_are_any(folder: Path, nvml: ModuleType) -> None:
    samples = told()
    assert [value(samples, f"jubako_gpu_{name}", gpu="0", name="A GPU") for name in GPU_METRICS] == [3, 4, 0.25]


def test_a_gpu_that_tells_no_load_tells_its_memory(
    folder: Path, nvml: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise NotSupported

    monkeypatch.setattr(nvml, "nvmlDeviceGetUtilizationRates", refuse)
    samples = told()
    assert [value(samples, f"jubako_gpu_{name}", gpu="0", name="A GPU") for name in GPU_METRICS] == [3, 4, None]


@pytest.mark.parametrize("missing", ["library", "driver", "device"])
def test_without_a_gpu_nothing_is_told_and_nothing_fails(
    folder: Path, nvml: ModuleType, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def refuse() -> None:
        raise NvmlError

    match missing:
        case "library":
            monkeypatch.setitem(sys.modules, "pynvml", None)
        case "driver":
            monkeypatch.setattr(nvml, "nvmlInit", refuse)
        case _:
            monkeypatch.setattr(nvml, "nvmlDeviceGetCount", refuse)
    names = {name for name, _ in told()}
    assert not [name for name in names if name.startswith("jubako_gpu")]
    assert "jubako_ready" in names
