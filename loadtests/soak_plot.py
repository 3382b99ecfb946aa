"""The picture of a soak."""

from pathlib import Path

import matplotlib

from loadtests.soak_figures import Soak

matplotlib.use("Agg")  # a server has no display; this has to come before pyplot

from matplotlib import pyplot as plt
from matplotlib.axes import Axes


def draw(soak: Soak, path: Path) -> None:
    """Draw memory, descriptors, latencies and failures over time."""
    figure, axes = plt.subplots(2, 2, figsize=(12, 7), layout="constrained")
    minutes = [sample.minute for sample in soak.samples]
    _over_time(axes[0, 0], soak, "resident memory, MiB")
    axes[0, 0].plot(minutes, [sample.rss_mib for sample in soak.samples], color="#2c6e91")
    axes[0, 0].set_ylim(bottom=0)
    _over_time(axes[0, 1], soak, "descriptors, threads, tasks")
    for name, colour in (("descriptors", "#2c6e91"), ("threads", "#8a8a8a"), ("tasks", "#b08d57")):
        axes[0, 1].plot(minutes, [getattr(sample, name) for sample in soak.samples], color=colour, label=name)
    axes[0, 1].set_ylim(bottom=0)
    axes[0, 1].legend(fontsize=8)
    _over_time(axes[1, 0], soak, "latency, ms")
    for name, colour in (("p50_ms", "#8a8a8a"), ("p95_ms", "#b08d57"), ("p99_ms", "#c0392b")):
        values = [getattr(minute, name) for minute in soak.minutes]
        axes[1, 0].plot([at + 0.5 for at in range(len(values))], values, color=colour, label=name.removesuffix("_ms"))
    axes[1, 0].set_ylim(bottom=0)
    axes[1, 0].legend(fontsize=8)
    _over_time(axes[1, 1], soak, "requests a minute")
    places = [at + 0.5 for at in range(len(soak.minutes))]
    axes[1, 1].bar(places, [minute.requests for minute in soak.minutes], color="#b08d57", label="sent")
    axes[1, 1].bar(places, [minute.failures for minute in soak.minutes], color="#c0392b", label="failed")
    axes[1, 1].legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _over_time(axes: Axes, soak: Soak, title: str) -> None:
    axes.axvspan(0, soak.warmup_min, color="#eeeeee")
    axes.set(xlabel="minutes", title=title)
    axes.grid(alpha=0.2)
