"""Progress of a long job: a live display on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

LINE_INTERVAL_S = 5.0
"""Where there is no terminal, at most one line of progress in this time."""

Tick = Callable[[float], None]


class Steps:
    """Names the steps of a long job as they begin and end."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console or Console(stderr=True)
        self._clock = clock

    @contextmanager
    def step(self, title: str) -> Iterator[Tick]:
        """Show `title` while the block runs; the block may report the share that is done, 0 to 1."""
        began = self._clock()
        with self._live(title) if self.console.is_terminal else self._lines(title, began) as tick:
            yield tick
        self.say(f"[green]done[/green]     {title}  [dim]{self._clock() - began:.1f} s[/dim]")

    def say(self, line: str) -> None:
        """Print one line."""
        self.console.print(line, highlight=False, soft_wrap=True)

    @contextmanager
    def _live(self, title: str) -> Iterator[Tick]:
        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), TimeElapsedColumn()
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(title, total=None)
            yield lambda share: progress.update(task, total=1.0, completed=share)

    @contextmanager
    def _lines(self, title: str, began: float) -> Iterator[Tick]:
        last = began

        def tick(share: float) -> None:
            nonlocal last
            if self._clock() - last >= LINE_INTERVAL_S:
                last = self._clock()
                self.say(f"         {title}: {share:.0%}")

        yield tick
