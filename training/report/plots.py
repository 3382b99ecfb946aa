"""Plots as small PNG files, drawn without pyplot and its global state; for the report of any family."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.metrics.calibration import Reliability

COLOURS = ("#c0392b", "#2c6e91", "#8a8a8a", "#b08d57", "#4c7a4c")
DPI = 90


def save(path: Path, draw: Callable[[Axes], None], width: float = 6.0, height: float = 4.0) -> None:
    """Draw on fresh axes, `width` x `height` inches, and write a PNG."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure.add_subplot())
    figure.savefig(path, format="png")


def draw_reliability(path: Path, curves: Mapping[str, Reliability]) -> None:
    """Draw the share of positives against the score; the area of a dot tells how many decisions it stands for."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1, label="calibrated")
        for colour, (title, curve) in zip(COLOURS, curves.items(), strict=False):
            axes.plot(curve.score, curve.rate, color=colour, linewidth=1, label=title)
            axes.scatter(curve.score, curve.rate, 4 * curve.decisions**0.3, color=colour)
        axes.set(
            xlabel="score", ylabel="share of positives", title="Reliability, all decisions", xlim=(0, 1), ylim=(0, 1)
        )
        axes.legend(fontsize=8)

    save(path, draw, 5, 5)


def draw_bars(path: Path, names: Sequence[str], series: Mapping[str, Sequence[float]], title: str) -> None:
    """Draw values from 0 to 1 by name: the first series as bars, the others as dots on them."""

    def draw(axes: Axes) -> None:
        places = range(len(names))
        for colour, (at, (label, values)) in zip(COLOURS, enumerate(series.items()), strict=False):
            if at == 0:
                axes.barh(places, values, color=colour, alpha=0.75, label=label)
            else:
                axes.plot(values, places, "o", color=colour, markersize=4, label=label)
        axes.set_yticks(places, [name.replace("$", r"\$") for name in names], fontsize=8)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set(xlim=(0, 1), title=title)
        axes.grid(axis="x", alpha=0.3)
        axes.legend(fontsize=8, loc="lower right")

    save(path, draw, 7, max(2.5, 0.19 * len(names) + 1.2))


def draw_curves(path: Path, history: Sequence[Mapping[str, float]], kind: str, names: Sequence[str]) -> None:
    """Draw the named figures of a training history over its steps, its epochs, or its entries."""
    axis = next((key for key in ("step", "epoch") if all(key in entry for entry in history)), None)

    def draw(axes: Axes) -> None:
        for colour, name in zip(COLOURS, names, strict=False):
            points = [(entry[axis] if axis else at, entry[name]) for at, entry in enumerate(history) if name in entry]
            axes.plot(*zip(*points, strict=True), color=colour, marker=".", label=name)
        axes.set(xlabel=axis or "entry", ylabel=kind, title=f"Training: {kind}")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)

    save(path, draw)
