"""The arms of the benchmark: who is measured, how each is started, and how each is tuned.

All serve the same graph file with the same tokeniser. BentoML's arms get the best of several settings, found on this
machine right before the rounds; Jubako runs with its defaults.
"""

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from bundle.bundle import Bundle
from bundle.manifest import Provider
from features.pipeline import TOKENIZER_FILE
from loadtests import native_service
from loadtests.servers import Server, bentoml_serve, free_port


@dataclass(frozen=True)
class Variant:
    """One setting of an arm."""

    title: str
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """One kind of server."""

    name: str
    title: str
    service: str
    """`module:Class` for `bentoml serve`."""
    prefix: str
    """Of its batch counters at /metrics."""
    variants: tuple[Variant, ...]
    """Settings to try; the best is measured."""
    bundle: Bundle
    """What it serves."""
    adapts: bool = False
    """Whether it needs some seconds of a new load until it has learnt how to batch it."""

    def server(self, variant: Variant, folder: Path) -> Server:
        """Return the arm's server, not started yet, with its log and its BentoML home in `folder`."""
        port = free_port()
        env = {**variant.env, "BENTOML_HOME": str(own_home(folder / f"{self.name}-{port}", self.bundle))}
        return Server(bentoml_serve(self.service, port), port, env, log=folder / f"{self.name}.log")


def own_home(folder: Path, bundle: Bundle) -> Path:
    """Make `folder` a BentoML home with the model store that holds the bundle.

    BentoML keeps the metrics of a server in its home and empties them whenever another one starts there: servers that
    run side by side need a home each.
    """
    folder.mkdir()
    (folder / "models").symlink_to(bundle.root.resolve().parent.parent)  # models/<name>/<version>
    return folder


def jubako_arm(bundle: Bundle) -> Arm:
    """Return Jubako with its defaults."""
    defaults = (Variant("defaults", {"JUBAKO_MODELS": json.dumps([bundle.tag])}),)
    return Arm("jubako", "Jubako", "service:Jubako", "jubako", defaults, bundle)


def make_arms(bundle: Bundle) -> tuple[Arm, Arm, Arm]:
    """Return Jubako, BentoML's batching and BentoML one by one, all on the graph that serving picks for a CPU."""
    graph, _ = bundle.pick([Provider.CPU])
    cores = len(os.sched_getaffinity(0))
    common = {
        native_service.GRAPH: str(bundle.path_of(graph)),
        native_service.TOKENIZER: str(bundle.root / TOKENIZER_FILE),
        native_service.MAX_TOKENS: str(bundle.manifest.max_tokens),
    }

    def native(workers: int, threads: int, batch_size: int | None = None) -> Variant:
        title = f"{workers} workers x {threads} threads" + (f", max_batch_size {batch_size}" if batch_size else "")
        own = {native_service.WORKERS: str(workers), native_service.THREADS: str(threads)}
        size = {native_service.BATCH_SIZE: str(batch_size)} if batch_size else {}
        return Variant(title, {**common, **own, **size})

    batched = (native(1, cores, 100), native(1, cores, 16), native(cores, 1, 100), native(cores, 1, 16))
    plain = (native(1, cores), native(cores, 1))
    services, prefix = "loadtests.native_service", native_service.PREFIX
    return (
        jubako_arm(bundle),
        Arm("batched", "BentoML batchable=True", f"{services}:Batched", prefix, batched, bundle, adapts=True),
        Arm("plain", "BentoML one by one", f"{services}:Plain", prefix, plain, bundle),
    )


def untuned(arm: Arm) -> Arm:
    """Return the arm with its last variant only, for a run that has no time to try all."""
    return replace(arm, variants=arm.variants[-1:])
