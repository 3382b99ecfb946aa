"""The picture of a benchmark run."""

from pathlib import Path

import matplotlib
import numpy as np

from loadtests.results import Results
from loadtests.scenarios import CAPACITY, SCENARIOS, Scenario

matplotlib.use("Agg")  # a server has no display; this has to come before pyplot

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

COLOURS = {"jubako": "#c0392b", "batched": "#2c6e91", "plain": "#8a8a8a"}


def draw(results: Results, path: Path) -> None:
    """Draw throughput by scenario, latency at 64 connections and under Poisson arrivals, and the text lengths."""
    figure, axes = plt.subplots(2, 2, figsize=(12, 8), layout="constrained")
    _throughput(axes[0, 0], results)
    _latency(axes[0, 1], results, CAPACITY)
    _latency(axes[1, 0], results, SCENARIOS[-1])
    _lengths(axes[1, 1], results)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _throughput(axes: Axes, results: Results) -> None:
    closed = [scenario for scenario in SCENARIOS if not scenario.open_loop]
    arms = results.arms()
    width = 0.8 / len(arms)
    for at, arm in enumerate(arms):
        values = [[row.measurement.window.texts_per_s for row in results.side_by_side(arm, one.name)] for one in closed]
        middles = [float(np.median(found)) for found in values]
        errors = np.array([[mid - min(one), max(one) - mid] for mid, one in zip(middles, values, strict=True)]).T
        places = np.arange(len(closed)) + (at - (len(arms) - 1) / 2) * width
        axes.bar(places, middles, width, yerr=errors, color=COLOURS[arm], label=results.titles[arm], capsize=3)
    bound = float(np.median([row.found.texts_per_s for row in results.bound if row.kind == "engine-only"]))
    axes.axhline(bound, color="black", linestyle="--", linewidth=1, label="engine-only bound")
    axes.set_xticks(range(len(closed)), [one.title.replace(", ", "\n") for one in closed])
    axes.set(ylabel="texts/s", title="Throughput, median and range of the rounds")
    axes.set_ylim(top=1.35 * max(bound, axes.get_ylim()[1]))
    axes.legend(fontsize=8, ncols=2, loc="upper left")


def _latency(axes: Axes, results: Results, scenario: Scenario) -> None:
    for arm in results.arms():
        rows = results.side_by_side(arm, scenario.name)
        quantiles = np.median([row.measurement.window.quantiles_ms for row in rows], axis=0)  # [101]
        axes.plot(quantiles, range(101), color=COLOURS[arm], label=results.titles[arm])
    axes.set_xscale("log")
    axes.set(xlabel="latency, ms", ylabel="% of answers", title=f"Latency: {scenario.title}")
    axes.grid(which="both", alpha=0.2)
    axes.legend(fontsize=8)


def _lengths(axes: Axes, results: Results) -> None:
    labels, counts = zip(*results.histogram, strict=True)
    axes.bar(labels, counts, color="#b08d57")
    axes.set(xlabel="words", ylabel="texts", title="Lengths of the texts")
    axes.tick_params(axis="x", labelrotation=30)
