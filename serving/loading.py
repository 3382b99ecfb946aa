"""From a bundle in the store to a model that may answer: verified, self-tested, warm."""

import logging
from collections.abc import Sequence
from time import monotonic, perf_counter

import numpy as np

from bundle.bundle import TOKENIZER_FILE, Bundle
from bundle.errors import BundleError
from bundle.manifest import Precision, Provider
from bundle.store import find
from features.text import TextTokenizer
from serving.admission import Admission
from serving.batching import Budget
from serving.engine import GraphEngine
from serving.metrics import QueueMetrics, SchedulerMetrics
from serving.scheduler import Scheduler
from serving.settings import Engine as EngineSettings
from serving.settings import Settings
from serving.split.remote import RemoteBackend, Runner
from serving.text_model import Placement, TextModel

logger = logging.getLogger("jubako.loading")

BATCH_TOKENS = {Provider.CPU: 512, Provider.CUDA: 16_384}
"""Token budget of a micro-batch where the settings leave it open: past these sizes throughput is flat."""
QUEUE_TOKENS = {Provider.CPU: 65_536, Provider.CUDA: 2_097_152}
"""Bound of the queue where the settings leave it open: a few seconds of work."""
TOKENIZER_THREADS = {Provider.CPU: 1, Provider.CUDA: 4}
"""One thread tokenises faster than a CPU computes; a GPU takes several."""
GOLDEN_SLACK = 0.002
"""How much further from the reference than at export a graph may be: other processors round otherwise."""


def load_text_model(tag: str, settings: Settings) -> TextModel:
    """Load a text model that computes in this process.

    Raises:
        BundleError: as `load_scheduler`.
    """
    bundle, engine = load_engine(tag, settings)
    placement = Placement(engine.graph.file, engine.device)
    backend = make_scheduler(bundle, engine, settings)
    return TextModel(bundle.manifest, placement, open_tokenizer(bundle), backend, TOKENIZER_THREADS[engine.provider])


def load_remote_model(tag: str, runners: Sequence[Runner]) -> TextModel:
    """Load a text model that computes in runner processes; here it is only tokenised.

    Raises:
        BundleError: there is no such bundle, or a file was altered.
    """
    bundle = find(tag)
    bundle.verify()
    placement = Placement("chosen by the runners", f"{len(runners)} runner(s)")
    backend = RemoteBackend(bundle.manifest.name, runners)
    return TextModel(bundle.manifest, placement, open_tokenizer(bundle), backend)


def load_scheduler(tag: str, settings: Settings) -> Scheduler:
    """Load the computing half of a text model.

    Raises:
        BundleError: there is no such bundle, a file was altered, no graph may run here, or the self-test fails.
    """
    return make_scheduler(*load_engine(tag, settings), settings)


def load_engine(tag: str, settings: Settings) -> tuple[Bundle, GraphEngine]:
    """Open a bundle's engine; it has passed its hashes and its golden vectors when this returns."""
    begin = perf_counter()
    bundle = find(tag)
    bundle.verify()
    engine = sound_engine(bundle, settings.engine)
    logger.info("%s ready in %.1f s: %s on %s", bundle.tag, perf_counter() - begin, engine.graph.file, engine.device)
    return bundle, engine


def sound_engine(bundle: Bundle, settings: EngineSettings) -> GraphEngine:
    """Return an engine that passes the bundle's self-test on this machine.

    An 8-bit graph that does not (a processor without the instructions it was gated with may saturate its sums) is
    passed over with a warning; any other graph that fails makes the bundle unusable.

    Raises:
        BundleError: as `load_scheduler`.
    """
    tokenizer = open_tokenizer(bundle)
    engine = GraphEngine(bundle, tokenizer, settings)
    try:
        self_test(bundle, tokenizer, engine)
    except BundleError as error:
        if engine.graph.precision is not Precision.INT8 or settings.precision is Precision.INT8:
            raise
        logger.warning("%s: the 8-bit graph fails on this processor (%s); serving floats", bundle.tag, error)
        engine = GraphEngine(bundle, tokenizer, settings, besides=[Precision.INT8])
        self_test(bundle, tokenizer, engine)
    return engine


def open_tokenizer(bundle: Bundle) -> TextTokenizer:
    """Open the tokeniser of a text bundle."""
    return TextTokenizer(bundle.root / TOKENIZER_FILE, bundle.manifest.max_tokens)


def self_test(bundle: Bundle, tokenizer: TextTokenizer, engine: GraphEngine) -> None:
    """Hold an engine to the bundle's golden vectors, alone and in a micro-batch.

    Raises:
        BundleError: an output is further from the reference than it was at export.
    """
    golden = bundle.golden
    rows = tokenizer.encode(golden.inputs)
    least = engine.graph.parity.min_cosine - GOLDEN_SLACK
    golden.check(engine.compute(rows, alone=False).outputs, least)
    golden.check(np.concatenate([engine.compute([row], alone=True).outputs for row in rows]), least)


def make_scheduler(bundle: Bundle, engine: GraphEngine, settings: Settings) -> Scheduler:
    """Put a scheduler in front of an engine, with the settings' bounds or the device's defaults."""
    name = bundle.manifest.name
    batching = settings.batching
    tokens = batching.max_batch_tokens or BATCH_TOKENS[engine.provider]
    budget = Budget(tokens, batching.max_batch_rows, batching.max_padding_ratio)
    admission = Admission(settings.queue.max_tokens or QUEUE_TOKENS[engine.provider], QueueMetrics(name))
    scheduler = Scheduler(engine, budget, admission, SchedulerMetrics(name))
    scheduler.last_success = monotonic()  # the self-test just now
    return scheduler
