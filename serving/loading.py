"""From a bundle in the store to a model that may answer: verified, self-tested, warm."""

import logging
from collections.abc import Sequence
from time import monotonic, perf_counter

import numpy as np

from bundle.bundle import Bundle
from bundle.errors import BundleError
from bundle.manifest import Precision, Task
from bundle.store import find
from features.rows import Features
from serving.admission import Admission
from serving.batching import Budget
from serving.bounds import BOUNDS
from serving.engine import GraphEngine
from serving.metrics import QueueMetrics, SchedulerMetrics
from serving.model import Model, Placement
from serving.opening import Opened, open_parts
from serving.scheduler import Outputs, Scheduler
from serving.settings import Engine as EngineSettings
from serving.settings import Settings
from serving.split.remote import RemoteBackend, Runner

logger = logging.getLogger("jubako.loading")

GOLDEN_SLACK = 0.002
"""How much further from the reference than at export a graph's cosine may be: other processors round otherwise."""
SCORE_SLACK = 0.005
"""The same for a score, over inputs among which export may not have met the worst."""


def load_model(tag: str, settings: Settings) -> Model:
    """Load a model that computes in this process.

    Raises:
        BundleError: as `load_scheduler`.
    """
    parts, engine = load_engine(tag, settings)
    placement = Placement(engine.graph.file, engine.device)
    threads = BOUNDS[parts.cost, engine.provider].encode_threads
    return parts.model(placement, make_scheduler(parts, engine, settings), threads)


def load_remote_model(tag: str, runners: Sequence[Runner]) -> Model:
    """Load a model that computes in runner processes; here its inputs are only read and encoded.

    Raises:
        BundleError: there is no such bundle, or a file was altered.
    """
    bundle = find(tag)
    bundle.verify()
    placement = Placement("chosen by the runners", f"{len(runners)} runner(s)")
    return open_parts(bundle).model(placement, RemoteBackend(bundle.manifest.name, runners))


def load_scheduler(tag: str, settings: Settings) -> Scheduler:
    """Load the computing half of a model.

    Raises:
        BundleError: there is no such bundle, a file was altered, no graph may run here, or the self-test fails.
    """
    return make_scheduler(*load_engine(tag, settings), settings)


def load_engine(tag: str, settings: Settings) -> tuple[Opened, GraphEngine]:
    """Open a bundle's parts and its engine; it has passed its hashes and its golden vectors when this returns."""
    begin = perf_counter()
    bundle = find(tag)
    bundle.verify()
    parts = open_parts(bundle)
    engine = _sound(bundle, parts.features, settings.engine)
    logger.info("%s ready in %.1f s: %s on %s", bundle.tag, perf_counter() - begin, engine.graph.file, engine.device)
    return parts, engine


def sound_engine(bundle: Bundle, settings: EngineSettings) -> GraphEngine:
    """Return an engine that passes the bundle's self-test on this machine.

    An 8-bit graph that does not (a processor without the instructions it was gated with may saturate its sums) is
    passed over with a warning; any other graph that fails makes the bundle unusable.

    Raises:
        BundleError: as `load_scheduler`.
    """
    return _sound(bundle, open_parts(bundle).features, settings)


def self_test(bundle: Bundle, features: Features, engine: GraphEngine) -> None:
    """Hold an engine to the bundle's golden outputs, alone and in a micro-batch.

    Raises:
        BundleError: an output is further from the reference than it was at export.
    """
    rows = features.encode(bundle.golden.inputs)
    _compare(bundle, engine, engine.compute(rows, alone=False).outputs)
    _compare(bundle, engine, np.concatenate([engine.compute([row], alone=True).outputs for row in rows]))


def make_scheduler(parts: Opened, engine: GraphEngine, settings: Settings) -> Scheduler:
    """Put a scheduler in front of an engine, with the settings' bounds or the defaults for its kind and device."""
    name = parts.bundle.manifest.name
    batching = settings.batching
    bounds = BOUNDS[parts.cost, engine.provider]
    tokens = batching.max_batch_tokens or bounds.batch_tokens
    budget = Budget(tokens, batching.max_batch_rows, batching.max_padding_ratio)
    admission = Admission(settings.queue.max_tokens or bounds.queue_tokens, QueueMetrics(name))
    scheduler = Scheduler(engine, budget, admission, SchedulerMetrics(name))
    scheduler.last_success = monotonic()  # the self-test just now
    return scheduler


def _sound(bundle: Bundle, features: Features, settings: EngineSettings) -> GraphEngine:
    engine = GraphEngine(bundle, features, settings)
    try:
        self_test(bundle, features, engine)
    except BundleError as error:
        if engine.graph.precision is not Precision.INT8 or settings.precision is Precision.INT8:
            raise
        logger.warning("%s: the 8-bit graph fails on this processor (%s); serving floats", bundle.tag, error)
        engine = GraphEngine(bundle, features, settings, besides=[Precision.INT8])
        self_test(bundle, features, engine)
    return engine


def _compare(bundle: Bundle, engine: GraphEngine, outputs: Outputs) -> None:
    parity = engine.graph.parity
    if Task.CLASSIFY in bundle.manifest.tasks:
        bundle.golden.check_scores(outputs, parity.max_abs + SCORE_SLACK)
    else:
        bundle.golden.check(outputs, parity.min_cosine - GOLDEN_SLACK)
