"""The benchmark: `python -m loadtests.bench [BUNDLE ...] [--quick] [--name bench] [--out DIR]`.

Without names it measures the text encoder and then every classifier that is stored. A text encoder meets all arms: the
engine-only bound, BentoML's own batching, BentoML one by one, and Jubako as `bentoml serve` with defaults; a classifier
meets its bounds. Prints and writes what was measured, how, and which targets it meets.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bundle.bundle import Bundle
from bundle.manifest import Task
from bundle.store import find
from loadtests.options import CLASSIFY, QUICK, Options
from loadtests.report import summary_lines, write_report
from loadtests.results import Results
from loadtests.runner import Bench, say
from loadtests.servers import ROOT
from loadtests.stored import stored_classifiers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, write and print its report; a missed target is told, not an error."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench", description="Measure Jubako, BentoML and the bound."
    )
    parser.add_argument("bundles", nargs="*", help="in the model store (default: text and every classifier)")
    parser.add_argument("--quick", action="store_true", help="about a minute: one short round, no tuning of other arms")
    parser.add_argument("--name", help="of the report's files (default: bench, or quick)")
    parser.add_argument("--out", type=Path, default=ROOT / "loadtests" / "results", help="folder for the report")
    parser.add_argument("--lock", type=Path, help="file to lock while measuring, where others measure on this machine")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave through the contexts that stop the servers
    chosen = [find(name) for name in given.bundles] or [find("text"), *stored_classifiers()]
    runs = [_measure(bundle, given.quick, given.lock) for bundle in chosen]
    written = write_report(runs, given.out, given.name or ("quick" if given.quick else "bench"))
    for results in runs:
        print("\n".join([f"# {results.bundle}", "", *summary_lines(results)]))
    print("written: " + ", ".join(str(path) for path in written))
    return 0


def _measure(bundle: Bundle, quick: bool, lock: Path | None) -> Results:
    say(f"measuring {bundle.tag}")
    thorough = CLASSIFY if Task.CLASSIFY in bundle.manifest.tasks else Options()
    with TemporaryDirectory() as logs:
        return Bench(bundle, replace(QUICK if quick else thorough, lock=lock), Path(logs)).run()


if __name__ == "__main__":
    sys.exit(main())
