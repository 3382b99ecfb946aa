"""What the parts of a classification cost: `python -m loadtests.classify_parts [BUNDLE ...] [--out DIR]`.

Each part of the way of a record through `/classify` alone, in one thread, at 1 and at 16 records: parsing the body's
JSON, reading and cleaning records, encoding texts, padding, the graph, calibration and thresholds, and laying the
answer's bytes together. Without HTTP, threads and the scheduler, whose cost is what `loadtests.bench` finds besides.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from bundle.bundle import Bundle
from bundle.manifest import Provider
from bundle.store import find
from features.pipeline import Pipeline
from loadtests.machine import describe_machine, describe_versions
from loadtests.native_service import open_session, run
from loadtests.records import make_records
from loadtests.report import table
from loadtests.servers import ROOT
from loadtests.stored import stored_classifiers
from serving.api.classify import label_lists
from serving.api.parsing import parse
from serving.api.schemas import ClassifyBody
from serving.classifying import Classified, LabelName
from serving.model import Result

SIZES = (1, 16)
RECORDS = 256
SEED = 3
REPEATS = 5

Stage = Callable[[], object]


@dataclass(frozen=True)
class Part:
    """One part and its cost for each record, by records at once, in microseconds."""

    title: str
    micros: dict[int, float]


class Parts:
    """The parts of one classifier."""

    def __init__(self, bundle: Bundle) -> None:
        graph, _ = bundle.pick([Provider.CPU])
        self._pipeline = Pipeline.open(bundle.root)
        self._labels = bundle.labels
        self._names = tuple(LabelName(label.label, label.name) for label in self._labels.labels)
        self._session = open_session(bundle.path_of(graph), 1, spinning=False)

    def stages(self, records: Sequence[object]) -> dict[str, Stage]:
        """Return the parts of a request of these records by title, each ready to be called."""
        body = orjson.dumps({"inputs": records})
        features = self._pipeline.features
        texts = [self._pipeline.text_of(record) for record in records]
        rows = features.encode(texts)
        feed = features.collate(rows)
        raw = run(self._session, feed)  # [records, labels]
        scores = self._labels.calibrate(raw)  # [records, labels]
        result = Result(list(scores), feed.tokens)
        classified = Classified(self._names, scores, self._labels.assign(scores), result)
        return {
            "parse the body": lambda: parse(ClassifyBody, body, "application/json"),
            "read and clean records": lambda: [self._pipeline.text_of(record) for record in records],
            "encode: hash and tokenise": lambda: features.encode(texts),
            "pad": lambda: features.collate(rows),
            "graph, one thread": lambda: run(self._session, feed),
            "calibrate and decide": lambda: self._labels.assign(self._labels.calibrate(raw)),
            "write the answer": lambda: label_lists(classified, None),
        }


def measure_parts(bundle: Bundle, records: int = RECORDS, repeats: int = REPEATS) -> list[Part]:
    """Measure every part over the same records; the figure of a part is its fastest pass."""
    parts, kind = Parts(bundle), Pipeline.open(bundle.root).config.record
    made = make_records(kind, records, SEED)
    found = {size: _micros(parts, made, size, repeats) for size in SIZES}
    return [Part(title, {size: found[size][title] for size in SIZES}) for title in found[SIZES[0]]]


def _micros(parts: Parts, records: Sequence[object], size: int, repeats: int) -> dict[str, float]:
    groups = [parts.stages(records[at : at + size]) for at in range(0, len(records), size)]
    return {
        title: min(sum(_timed(group[title]) for group in groups) for _ in range(repeats)) / len(records) * 1e6
        for title in groups[0]
    }


def _timed(stage: Stage) -> float:
    begin = time.perf_counter()
    stage()
    return time.perf_counter() - begin


def markdown(bundle: Bundle, parts: Sequence[Part]) -> list[str]:
    """Return the section of one bundle."""
    graph, _ = bundle.pick([Provider.CPU])
    totals = {size: sum(part.micros[size] for part in parts) for size in SIZES}
    rows = [(part.title, *(f"{part.micros[size]:.0f}" for size in SIZES)) for part in parts]
    rows.append(("together", *(f"{totals[size]:.0f}" for size in SIZES)))
    head = ("microseconds a record", *(f"{size} at once" for size in SIZES))
    return [f"## {bundle.tag}, {graph.file}", "", *table(head, rows), ""]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write classify_parts.md."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.classify_parts", description="Price /classify by parts.")
    parser.add_argument("bundles", nargs="*", help="classifiers in the model store (default: all that are stored)")
    parser.add_argument("--out", type=Path, default=ROOT / "loadtests" / "results", help="folder for the report")
    given = parser.parse_args(arguments)
    facts = [f"- {key}: {value}" for key, value in {**describe_machine(), **describe_versions()}.items()]
    protocol = f"- {RECORDS} generated records, seed {SEED}; one thread; the fastest of {REPEATS} passes of each part"
    lines = ["# The parts of /classify", "", *facts, protocol, ""]
    for bundle in [find(name) for name in given.bundles] or stored_classifiers():
        lines += markdown(bundle, measure_parts(bundle))
    report = "\n".join(lines)
    (given.out / "classify_parts.md").write_text(report)
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
