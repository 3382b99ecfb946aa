"""Progress of a training run: a live bar on a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINE_INTERVAL_S = 5.0
"""Where there is no terminal, at most one line of progress in this time."""


class TrainingProgress:
    """Tells how far a run is, how fast, and what the loss is."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console or Console(stderr=True)
        self._clock = clock
        self._bar: tuple[Progress, TaskID] | None = None
        self._steps = self._first_step = self._rows = 0
        self._began = self._last_line = 0.0

    def say(self, line: str) -> None:
        """Print one line."""
        self.console.print(line, highlight=False, soft_wrap=True)

    @contextmanager
    def run(self, steps: int, first_step: int) -> Iterator[None]:
        """Show progress while the block runs; the run has `steps` in all and goes on after `first_step`."""
        self._steps, self._first_step, self._rows = steps, first_step, 0
        self._began = self._last_line = self._clock()
        if not self.console.is_terminal:
            yield
            return
        columns = TextColumn("{task.description}"), BarColumn(24), TimeRemainingColumn()
        with Progress(*columns, console=self.console, transient=True) as bar:
            self._bar = bar, bar.add_task("", total=steps, completed=first_step)
            try:
                yield
            finally:
                self._bar = None

    def step(self, epoch: str, step: int, rows: int, loss: float | None) -> None:
        """Take in a finished step, counted from 1, of so many rows, and the latest known loss."""
        self._rows += rows
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, completed=step, description=self._description(epoch, step, loss))
        elif self._clock() - self._last_line >= LINE_INTERVAL_S:
            self._last_line = self._clock()
            self.say(f"{self._description(epoch, step, loss)}  ETA {_hours(self._remaining(step))}")

    @property
    def rows_per_s(self) -> float:
        """Rows trained on in a second, validation included, since this session began."""
        return self._rows / max(self._clock() - self._began, 1e-9)

    def _remaining(self, step: int) -> float:
        return (self._clock() - self._began) / (step - self._first_step) * (self._steps - step)

    def _description(self, epoch: str, step: int, loss: float | None) -> str:
        told = "" if loss is None else f"  loss {loss:.4f}"
        return f"epoch {epoch}  step {step}/{self._steps}{told}  {self.rows_per_s:,.0f} rows/s"


def _hours(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
