"""From a bundle in the store to a model that may answer: verified, self-tested, warm."""

import logging
from collections.abc import Sequence
from time import monotonic, perf_counter

import numpy as np

from bundle.bundle import Bundle
from bundle.errors import BundleError
from bundle.manifest import Precision, Role, Task
from bundle.store import find
from serving.admission import Admission
from serving.background import at_low_priority
from serving.batching import Budget
from serving.bounds import BOUNDS
from serving.engine import GraphEngine
from serving.model import Placement, Served
from serving.opening import Opened, Placed, metrics_name, open_parts
from serving.scheduler import Outputs, Scheduler
from serving.settings import Engine as EngineSettings
from serving.settings import Settings
from serving.split.remote import RemoteBackend, Runner
from serving.telemetry.metrics import LoadMetrics, QueueMetrics, SchedulerMetrics

logger = logging.getLogger("jubako.loading")

GOLDEN_SLACK = 0.002
"""How much further from the reference than at export a graph's cosine may be: other processors round otherwise."""
SCORE_SLACK = 0.005
"""The same for a score, over inputs among which export may not have met the worst."""


def load_model(tag: str, settings: Settings) -> Served:
    """Load a model that computes in this process.

    Raises:
        BundleError: as `load_schedulers`.
    """
    parts, engines = load_engines(tag, settings)
    placed = {
        engine.role: Placed(Placement(engine.graph.file, engine.device), make_scheduler(parts, engine, settings))
        for engine in engines
    }
    threads = max(BOUNDS[parts.cost, engine.provider].encode_threads for engine in engines)
    return parts.model(placed, settings, threads)


def load_remote_model(tag: str, runners: Sequence[Runner], settings: Settings) -> Served:
    """Load a model that computes in runner processes; here its inputs are read and encoded, and indexes searched.

    Raises:
        BundleError: there is no such bundle, or a file was altered.
    """
    bundle = find(tag)
    at_low_priority(bundle.verify)
    placement = Placement("chosen by the runners", f"{len(runners)} runner(s)")
    parts = open_parts(bundle)
    placed = {
        role: Placed(placement, RemoteBackend(bundle.tag, backend_name(bundle, role), runners))
        for role in parts.encoders
    }
    return parts.model(placed, settings)


def load_schedulers(tag: str, settings: Settings) -> dict[str, Scheduler]:
    """Load the computing half of a model: a scheduler for each of its encoders, by name.

    Raises:
        BundleError: there is no such bundle, a file was altered, no graph may run here, or the self-test fails.
    """
    parts, engines = load_engines(tag, settings)
    return {backend_name(parts.bundle, engine.role): make_scheduler(parts, engine, settings) for engine in engines}


def backend_name(bundle: Bundle, role: Role) -> str:
    """Return what runners call one of a bundle's encoders."""
    return bundle.tag if role is Role.ENCODER else f"{bundle.tag}/{role}"


def load_engines(tag: str, settings: Settings) -> tuple[Opened, list[GraphEngine]]:
    """Open a bundle's parts and its engines; they have passed hashes and golden vectors when this returns."""
    begin = perf_counter()
    bundle = find(tag)
    at_low_priority(bundle.verify)
    parts = open_parts(bundle)
    engines = [_sound(parts, role, settings.engine) for role in parts.encoders]
    told = ", ".join(engine.graph.file for engine in engines)
    seconds = perf_counter() - begin
    LoadMetrics().took(bundle.manifest.name, bundle.manifest.version, seconds)
    logger.info("%s ready in %.1f s: %s on %s", bundle.tag, seconds, told, engines[0].device)
    return parts, engines


def sound_engines(bundle: Bundle, settings: EngineSettings) -> list[GraphEngine]:
    """Return engines that pass the bundle's self-test on this machine.

    An 8-bit graph that does not (a processor without the instructions it was gated with may saturate its sums) is
    passed over with a warning; any other graph that fails makes the bundle unusable.

    Raises:
        BundleError: as `load_schedulers`.
    """
    parts = open_parts(bundle)
    return [_sound(parts, role, settings) for role in parts.encoders]


def self_test(parts: Opened, engine: GraphEngine) -> None:
    """Hold an engine to the bundle's golden outputs, alone and in a micro-batch.

    Raises:
        BundleError: an output is further from the reference than it was at export.
    """
    rows = parts.encoders[engine.role].encode(parts.golden_inputs(engine.role))
    _compare(parts.bundle, engine, engine.compute(rows, alone=False).outputs)
    _compare(parts.bundle, engine, np.concatenate([engine.compute([row], alone=True).outputs for row in rows]))


def make_scheduler(parts: Opened, engine: GraphEngine, settings: Settings) -> Scheduler:
    """Put a scheduler in front of an engine, with the settings' bounds or the defaults for its kind and device."""
    name = metrics_name(parts.bundle, engine.role)
    batching = settings.batching
    bounds = BOUNDS[parts.cost, engine.provider]
    tokens = batching.max_batch_tokens or bounds.batch_tokens
    budget = Budget(tokens, batching.max_batch_rows, batching.max_padding_ratio)
    admission = Admission(settings.queue.max_tokens or bounds.queue_tokens, QueueMetrics(name))
    metrics = SchedulerMetrics(name, parts.bundle.manifest.version)
    metrics.loaded(parts.bundle.manifest.family, engine.graph.file, engine.device)
    scheduler = Scheduler(engine, budget, admission, metrics)
    scheduler.last_success = monotonic()  # the self-test just now
    return scheduler


def _sound(parts: Opened, role: Role, settings: EngineSettings) -> GraphEngine:
    bundle, features = parts.bundle, parts.encoders[role]
    engine = GraphEngine(bundle, features, settings, role=role)
    try:
        at_low_priority(lambda: self_test(parts, engine))
    except BundleError as error:
        if engine.graph.precision is not Precision.INT8 or settings.precision is Precision.INT8:
            raise
        logger.warning("%s: the 8-bit graph fails on this processor (%s); serving floats", bundle.tag, error)
        engine = GraphEngine(bundle, features, settings, besides=[Precision.INT8], role=role)
        at_low_priority(lambda: self_test(parts, engine))
    return engine


def _compare(bundle: Bundle, engine: GraphEngine, outputs: Outputs) -> None:
    parity, golden = engine.graph.parity, bundle.golden_of(engine.role)
    if Task.CLASSIFY in bundle.manifest.tasks:
        golden.check_scores(outputs, parity.max_abs + SCORE_SLACK)
    else:
        golden.check(outputs, parity.min_cosine - GOLDEN_SLACK, bundle.manifest.matryoshka)
