"""Pieces of Markdown, for the report of any family."""

import re
from collections.abc import Iterable, Mapping, Sequence

from training.metrics.bootstrap import Interval


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table with aligned columns; floats show four digits, None shows nothing."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def section(title: str, *parts: Sequence[str]) -> list[str]:
    """Return a heading and its parts, each a list of lines; nothing where every part is empty."""
    held = [part for part in parts if part]
    if not held:
        return []
    return [f"## {title}", "", *(line for part in held for line in (*part, ""))]


def pairs(values: Mapping[str, object]) -> list[str]:
    """Return one bullet for each key."""
    return [f"- {key}: {value}" for key, value in values.items()]


def picture(title: str, file: str) -> list[str]:
    """Return the line that shows a plot lying beside the report."""
    return [f"![{title}]({file})"]


def show(interval: Interval, signed: bool = False) -> str:
    """Write a value with its interval."""
    sign = "+" if signed else ""
    return f"{interval.value:{sign}.4f} [{interval.low:{sign}.4f}, {interval.high:{sign}.4f}]"


def inline(text: str, most: int = 200) -> str:
    """Return the text on one line, cut to `most` characters, with nothing that Markdown would take for its own."""
    flat = " ".join(text.split())
    cut = flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"
    return re.sub(r"([\\`*_\[\]<>|#$])", r"\\\1", cut)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value).replace("\n", " ")
