"""Where commands print, and how they tell errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console()


@contextmanager
def told_plainly(kind: type[Exception]) -> Iterator[None]:
    """Turn an error of `kind` into one line and exit status 1: its message says what to do, a trace would not."""
    try:
        yield
    except kind as error:
        console.print("[red]error:[/red]", end=" ")
        console.print(str(error), markup=False, soft_wrap=True)  # what is in brackets is a value, not markup
        raise SystemExit(1) from error
