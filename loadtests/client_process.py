"""The load process: `python -m loadtests.client_process PLAN.json RECORD.npz`.

It is a process of its own so that its CPU time is its own and no garbage collection of the harness falls into a window.
It writes `start` and `stop` to standard output at the edges of the window, for whoever samples the server meanwhile.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from loadtests.loops import ClosedLoop, OpenLoop
from loadtests.plan import Plan, Record


async def load(plan: Plan) -> Record:
    """Carry out a plan in this process."""
    loop = ClosedLoop if plan.rate_per_s is None else OpenLoop
    return await loop(plan, mark).run()


def main(plan_file: str, record_file: str, work: Callable[[Plan], Coroutine[Any, Any, Record]] = load) -> None:
    """Read the plan, load the server, write the record."""
    plan = Plan.read(Path(plan_file))
    if plan.core is not None:
        os.sched_setaffinity(0, {plan.core})
    gc.freeze()
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        record = runner.run(work(plan))
    record.write(Path(record_file))


def mark(word: str) -> None:
    """Tell whoever reads standard output that an edge of the window is reached."""
    print(word, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
