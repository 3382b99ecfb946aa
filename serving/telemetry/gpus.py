"""Memory and load of the machine's NVIDIA GPUs, read through NVML when `/metrics` is asked for.

Without a GPU, a driver or the library nothing is told, and nothing fails.
"""

import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

logger = logging.getLogger("jubako.gpus")


def gpu_families() -> Iterator[Metric]:
    """Yield the metrics of GPUs, where there are any."""
    nvml = _opened()
    if nvml is None:
        return
    labels = ("gpu", "name")
    used = GaugeMetricFamily("jubako_gpu_memory_used_bytes", "Memory in use, by whichever process", labels=labels)
    total = GaugeMetricFamily("jubako_gpu_memory_total_bytes", "Memory there is", labels=labels)
    load = GaugeMetricFamily("jubako_gpu_utilization_ratio", "Share of time in which a kernel ran", labels=labels)
    try:
        for index in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            key = (str(index), _text(nvml.nvmlDeviceGetName(handle)))
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            used.add_metric(key, memory.used)
            total.add_metric(key, memory.total)
            _add_load(nvml, handle, load, key)
    except nvml.NVMLError as error:
        logger.warning("the GPUs cannot be read: %s", type(error).__name__)
        return
    yield from (used, total, load)


def _add_load(nvml: Any, handle: Any, load: GaugeMetricFamily, key: tuple[str, str]) -> None:
    try:
        load.add_metric(key, nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
    except nvml.NVMLError_NotSupported:  # a GPU that is divided tells no load of the whole
        return


@cache
def _opened() -> Any:
    """Return the library, ready for use, or None."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
