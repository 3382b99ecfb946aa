"""What a run of the benchmark measures: a bundle, what it is asked, how it is loaded, and what its answers must be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.bundle import Bundle
from bundle.manifest import Provider, Task
from features.pipeline import TOKENIZER_FILE, Pipeline
from features.rows import FeatureRow, Features
from features.text import TextTokenizer
from loadtests.answers import check_scores, check_vectors
from loadtests.arms import Arm, jubako_arm, make_arms
from loadtests.bound import BAG_BUDGETS, BUDGETS, Bound
from loadtests.plan import Request
from loadtests.reading_bound import ReadingBound
from loadtests.records import make_records
from loadtests.scenarios import CLASSIFY_SCENARIOS, SCENARIOS, Scenario
from loadtests.servers import Server
from loadtests.workload import make_workload

LIGHT_RECORDS = 16
"""Times as many records as texts where a row is a bag: hundreds of transformer's rows are thousands of these."""

Check = Callable[[Server, Sequence[Request], NDArray[np.float32]], None]


@dataclass(frozen=True)
class Subject:
    """One bundle under one workload."""

    bundle: Bundle
    noun: str
    """What an input is."""
    path: str
    """Endpoint that is asked."""
    inputs: Sequence[object]
    texts: list[str]
    """What the model reads of each input."""
    source: str
    features: Features
    rows: list[FeatureRow]
    budgets: tuple[int, ...]
    """Padded tokens of a batch that the bound tries."""
    scenarios: tuple[Scenario, ...]
    arms: tuple[Arm, ...]
    """Jubako first."""
    check: Check
    """Holds answers to single inputs against the graph's own outputs."""
    reading: ReadingBound | None = None
    """The bound with reading, for models whose graph costs less than reading its input."""

    @property
    def bound(self) -> Bound:
        """The engine-only bound."""
        graph, _ = self.bundle.pick([Provider.CPU])
        return Bound(self.bundle.path_of(graph), self.rows, self.features, self.budgets)


def make_subject(bundle: Bundle, count: int, seed: int) -> Subject:
    """Return a bundle with `count` inputs (more, where they are light) for its endpoint."""
    return _records(bundle, count, seed) if Task.CLASSIFY in bundle.manifest.tasks else _texts(bundle, count, seed)


def _texts(bundle: Bundle, count: int, seed: int) -> Subject:
    tokenizer = TextTokenizer(bundle.root / TOKENIZER_FILE, bundle.manifest.max_tokens)
    made = make_workload(count, seed)
    return Subject(
        bundle=bundle,
        noun="text",
        path="/embed",
        inputs=made.texts,
        texts=made.texts,
        source=made.source,
        features=tokenizer,
        rows=tokenizer.encode(made.texts),
        budgets=BUDGETS,
        scenarios=SCENARIOS,
        arms=make_arms(bundle),
        check=check_vectors,
    )


def _records(bundle: Bundle, count: int, seed: int) -> Subject:
    pipeline, labels = Pipeline.open(bundle.root), bundle.labels
    kind = pipeline.config.record
    records = make_records(kind, count * LIGHT_RECORDS if pipeline.light else count, seed)
    texts = [pipeline.text_of(record) for record in records]
    rows = pipeline.features.encode(texts)
    graph, _ = bundle.pick([Provider.CPU])

    def check(server: Server, requests: Sequence[Request], outputs: NDArray[np.float32]) -> None:
        check_scores(server, requests, labels.calibrate(outputs), labels)

    return Subject(
        bundle=bundle,
        noun="record",
        path="/classify",
        inputs=records,
        texts=texts,
        source=f"generated {kind} records, seed {seed}",
        features=pipeline.features,
        rows=rows,
        budgets=BAG_BUDGETS if pipeline.light else BUDGETS,
        scenarios=CLASSIFY_SCENARIOS,
        arms=(jubako_arm(bundle),),
        check=check,
        reading=ReadingBound(bundle.path_of(graph), pipeline, records, rows) if pipeline.light else None,
    )
