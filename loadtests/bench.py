"""The benchmark: `python -m loadtests.bench [--quick] [--bundle text] [--out DIR]`.

One run, one graph file, all arms: the engine-only bound, BentoML's own batching, BentoML one by one, and Jubako as
`bentoml serve` with defaults. Prints and writes what was measured, how, and which targets it meets.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bundle.store import find
from loadtests.report import summary_lines, write_report
from loadtests.runner import QUICK, Bench, Options
from loadtests.servers import ROOT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark, write and print its report; a missed target is told, not an error."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench", description="Measure Jubako, BentoML and the bound."
    )
    parser.add_argument("--quick", action="store_true", help="about a minute: one short round, no tuning of other arms")
    parser.add_argument("--bundle", default="text", help="bundle in the model store (default: text)")
    parser.add_argument("--out", type=Path, default=ROOT / "loadtests" / "results", help="folder for the report")
    parser.add_argument("--lock", type=Path, help="file to lock while measuring, where others measure on this machine")
    given = parser.parse_args(arguments)
    options = replace(QUICK if given.quick else Options(), lock=given.lock)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave through the contexts that stop the servers
    with TemporaryDirectory() as logs:
        results = Bench(find(given.bundle), options, Path(logs)).run()
    name = "quick" if given.quick else "bench"
    written = write_report(results, given.out, name)
    print("\n".join(summary_lines(results)))
    print("written: " + ", ".join(str(path) for path in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
