"""The engine: ONNX Runtime sessions of one graph on one device.

On a CPU the cores are divided into lanes, each running its own micro-batch on its own threads: small micro-batches side
by side lose nothing to padding and nothing to threads waiting for each other. A second session that spans all cores
serves a micro-batch that has the device to itself, where only latency counts.
"""

import logging
import os
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from bundle.bundle import Bundle
from bundle.manifest import Precision, Provider, Role
from features.rows import FeatureRow, Features, Feed
from serving.scheduler import Computed, Outputs
from serving.settings import Engine as EngineSettings

logger = logging.getLogger("jubako.engine")

CUDA_TOKENS_MULTIPLE = 16
"""Padded lengths on CUDA are multiples of this: few shapes, so that the arena settles, at little padding."""


@dataclass(frozen=True)
class Layout:
    """How a device is divided."""

    lanes: int
    threads: int
    """Intra-op threads of each lane."""
    span: int
    """Intra-op threads of the session for a micro-batch that is alone; equal to `threads` where it would not help."""


class GraphEngine:
    """A bundle's graph on one device: rows in, outputs out. Safe to call from `lanes` threads at once."""

    def __init__(
        self,
        bundle: Bundle,
        features: Features,
        settings: EngineSettings,
        besides: Collection[Precision] = (),
        role: Role = Role.ENCODER,
    ) -> None:
        self.role = role
        self._features = features
        self.graph, self.provider = bundle.pick(offered_providers(settings), settings.precision, besides, role)
        layout = lay_out(self.provider, settings)
        path = bundle.path_of(self.graph)
        self._session = open_session(path, self.provider, layout.threads, settings)
        if str(self.provider) not in self._session.get_providers():
            logger.warning("%s could not be started; serving %s on the CPU", self.provider, bundle.tag)
            self.graph, self.provider = bundle.pick([Provider.CPU], besides=besides, role=role)
            layout, path = lay_out(self.provider, settings), bundle.path_of(self.graph)
            self._session = open_session(path, self.provider, layout.threads, settings)
        self._span = self._session
        if layout.span > layout.threads:
            self._span = open_session(path, self.provider, layout.span, settings, spinning=True)
        self._multiple = CUDA_TOKENS_MULTIPLE if self.provider is Provider.CUDA else 1
        self.lanes = layout.lanes
        self.device = describe(self.provider, layout)

    def compute(self, rows: Sequence[FeatureRow], alone: bool) -> Computed:
        """Pad rows and compute their outputs [rows, outputs]."""
        begin = time.perf_counter()
        feed = self._features.collate(rows, self._multiple)
        session = self._span if alone else self._session
        outputs = _run_bound(session, feed) if self.provider is Provider.CUDA else _run(session, feed)
        return Computed(outputs, feed.padded_tokens, time.perf_counter() - begin)


def offered_providers(settings: EngineSettings) -> list[str]:
    """Return the providers that settings and ONNX Runtime both allow, warning when CUDA is asked for in vain."""
    offered: list[str] = ort.get_available_providers()
    if settings.device == "cpu":
        return [Provider.CPU]
    if settings.device == "cuda" and Provider.CUDA not in offered:
        logger.warning("CUDA is asked for but ONNX Runtime offers %s; serving on the CPU", ", ".join(offered))
    return offered


def lay_out(provider: Provider, settings: EngineSettings) -> Layout:
    """Divide the device: on a CPU one lane a core, on CUDA two lanes so that one copies while the other computes."""
    if provider is Provider.CUDA:
        return Layout(settings.lanes or 2, 1, 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    lanes = settings.lanes or cores
    threads = settings.threads_per_lane or max(1, cores // lanes)
    return Layout(lanes, threads, max(threads, min(cores, MAX_SPAN)))


MAX_SPAN = 4
"""Threads beyond which a single micro-batch of an encoder gets no faster on a CPU."""


def open_session(
    path: Path, provider: Provider, threads: int, settings: EngineSettings, spinning: bool = False
) -> ort.InferenceSession:
    """Open a graph on one provider.

    Threads do not spin while they wait: on a small machine that would take the core that the event loop needs. Where
    a micro-batch has the device to itself they may, but only until it is computed. The arena grows by what is asked
    for, not by doubling, so that new shapes do not leave it twice as large.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    if provider is Provider.CPU:
        return ort.InferenceSession(str(path), options, providers=[str(Provider.CPU)])
    ort.preload_dlls()  # CUDA and cuDNN of the `gpu` extra's wheels, which the system's loader does not find
    cuda: dict[str, Any] = {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC"}
    if settings.cuda_memory_bytes:
        cuda["gpu_mem_limit"] = settings.cuda_memory_bytes
    return ort.InferenceSession(str(path), options, providers=[(str(provider), cuda), str(Provider.CPU)])


def describe(provider: Provider, layout: Layout) -> str:
    """Say in one line what the engine runs on, for logs and `/models`."""
    if provider is Provider.CUDA:
        return f"CUDA, {layout.lanes} lanes"
    return f"CPU, {layout.lanes} lanes x {layout.threads} threads"


def _run(session: ort.InferenceSession, feed: Feed) -> Outputs:
    outputs: list[Any] = session.run(None, feed.inputs)
    return np.asarray(outputs[0], dtype=np.float32)


def _run_bound(session: ort.InferenceSession, feed: Feed) -> Outputs:
    """Run with inputs and output bound to device memory: one copy each way, none inside the graph."""
    binding = session.io_binding()
    for name, array in feed.inputs.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array, "cuda", 0))
    binding.bind_output(session.get_outputs()[0].name, "cuda", 0)
    session.run_with_iobinding(binding)
    return np.asarray(binding.copy_outputs_to_cpu()[0], dtype=np.float32)
