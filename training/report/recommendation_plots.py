"""Plots of a recommender's report."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from training.report.plots import COLOURS, draw_curves, save
from training.report.recommendation_figures import RecommendationFigures
from training.report.recommendation_slices import ITEMS, USERS
from training.report.recommender_evaluation import RecommenderEvaluation

CURVES = ("loss", "recall", "ndcg")
"""Kinds of training curve, by what the figures' names contain; one plot for each."""


def draw_all(folder: Path, evaluation: RecommenderEvaluation, figures: RecommendationFigures) -> list[tuple[str, str]]:
    """Draw what there is into `folder`; return title and file of each plot."""
    drawn = []
    for kind in ("recall", "ndcg"):
        drawn.append((f"{kind} by cut-off", f"{kind}.png"))
        _draw_cutoffs(folder / drawn[-1][1], figures, kind, evaluation.cutoffs)
    for kind, file in ((USERS, "cold_users.png"), (ITEMS, "cold_items.png")):
        drawn.append((kind, file))
        _draw_slices(folder / file, figures, kind, f"recall@{evaluation.main_cutoff}")
    if evaluation.item_vectors is not None:
        drawn.append(("lengths of the item vectors", "norms.png"))
        _draw_norms(folder / "norms.png", evaluation.item_vectors, evaluation.popularity)
    return [*drawn, *_draw_training(folder, evaluation)]


def _draw_cutoffs(path: Path, figures: RecommendationFigures, kind: str, cutoffs: Sequence[int]) -> None:
    """Draw a figure over the length of the list, with its intervals."""

    def draw(axes: Axes) -> None:
        for colour, one in zip(COLOURS, figures.candidates.values(), strict=False):
            found = [one.intervals[f"{kind}@{cutoff}"] for cutoff in cutoffs]
            axes.plot(cutoffs, [at.value for at in found], color=colour, marker=".", label=one.title)
            axes.fill_between(cutoffs, [at.low for at in found], [at.high for at in found], color=colour, alpha=0.15)
        axes.set(xlabel="k", ylabel=f"{kind}@k", xscale="log", title=f"{kind} by cut-off, 95% intervals")
        axes.set_xticks(list(cutoffs), [str(cutoff) for cutoff in cutoffs])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)

    save(path, draw)


def _draw_slices(path: Path, figures: RecommendationFigures, kind: str, figure: str) -> None:
    """Draw a figure of each group, the coldest on the left."""
    groups = [one for one in figures.slices if one.kind == kind]

    def draw(axes: Axes) -> None:
        for colour, (name, one) in zip(COLOURS, figures.candidates.items(), strict=False):
            values = [group.figures[name][figure] for group in groups]
            spread = [[at.value - at.low for at in values], [at.high - at.value for at in values]]
            places = range(len(groups))
            axes.errorbar(places, [at.value for at in values], spread, color=colour, marker=".", label=one.title)
        axes.set_xticks(range(len(groups)), [group.counts for group in groups])
        axes.set(xlabel="interactions", ylabel=figure, title=f"{figure}: {kind}")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)

    save(path, draw)


def _draw_norms(path: Path, vectors: NDArray[np.float32], popularity: NDArray[np.int64]) -> None:
    """Draw how long the vectors of the rarer and of the more popular half of the items are."""
    lengths, middle = np.linalg.norm(vectors, axis=1), np.median(popularity)
    halves = {f"up to {middle:g} interactions": popularity <= middle, "more": popularity > middle}

    def draw(axes: Axes) -> None:
        low, high = float(lengths.min()), float(lengths.max())
        edges = np.linspace(low - 1e-3, high + 1e-3, 41).tolist()
        for colour, (title, members) in zip(COLOURS, halves.items(), strict=False):
            axes.hist(lengths[members], edges, color=colour, alpha=0.6, label=title)
        axes.set(xlabel="length", ylabel="items", title="Lengths of the item vectors")
        axes.legend(fontsize=8)

    save(path, draw)


def _draw_training(folder: Path, evaluation: RecommenderEvaluation) -> list[tuple[str, str]]:
    keys = list(dict.fromkeys(key for entry in evaluation.training for key in entry))
    drawn = []
    for kind in CURVES:
        if names := [key for key in keys if kind in key]:
            drawn.append((f"training: {kind}", f"training_{kind}.png"))
            draw_curves(folder / drawn[-1][1], evaluation.training, kind, names)
    return drawn
