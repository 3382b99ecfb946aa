"""The 8-bit CPU pass: choose how each kind of projection is quantised, by what it does to the final vectors.

The error of one product says little about the error of the embedding: the tokens that attention rests on have tiny
value vectors, so a rounding error that is small on average can be the largest part of every output. The choice is
therefore made end to end, one role (query-key-value, attention output, feed-forward up, feed-forward down) at a time.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from bundle.golden import cosine_rows
from export.rowwise import Array, Recipe, Site, find_sites, quantise_sites
from export.runner import Vectors
from features.rows import Feed
from features.text import MASK

SMOOTHING = (0.0, 0.5, 0.7, 0.85)
"""Shares of a channel's range that are moved into the weights; 0 costs nothing at run time."""

BOTH_SIGNS = (128,)
NEARLY_POSITIVE = (128, 64, 32)
"""Zero points tried: after GELU nothing lies below -0.17, so most codes can go to the positive side."""

Recipes = dict[str, tuple[Site, Recipe]]
Tick = Callable[[float], None]


@dataclass(frozen=True)
class Ranges:
    """What calibration saw of an activation."""

    largest: Array  # [K], largest absolute value of each channel
    lowest: float
    highest: float

    @property
    def nearly_positive(self) -> bool:
        """Whether negative values are small beside the positive ones."""
        return -self.lowest < 0.1 * self.highest


@dataclass(frozen=True)
class Choice:
    """The recipe chosen for one role, for the log."""

    role: tuple[int, ...]
    smoothing: float
    zero_point: int
    loss: float
    """Mean of 1 - cosine to fp32 with only this role quantised."""


def quantise(
    source: Path, target: Path, batches: Sequence[Feed], bits: int = 8, tick: Tick = lambda share: None
) -> list[Choice]:
    """Quantise the products with token vectors of the fp32 graph `source`, write it to `target`, return the choices.

    `batches` are calibration texts; `tick` is told the share of the work that is done.

    Raises:
        ValueError: the graph has no product that can be quantised.
    """
    model = onnx.load(source)
    found = find_sites(model)
    ranges = _measure(model, [site.activation for site in found], batches) if found else {}
    sites = [site for site in found if site.activation in ranges]
    if not sites:
        raise ValueError("the graph has no product of token vectors with a constant matrix")
    reference = _embed(model, batches)
    by_role: dict[tuple[int, ...], list[Site]] = defaultdict(list)
    for site in sites:
        by_role[site.role].append(site)
    chosen: Recipes = {}
    choices = []
    for done, (role, members) in enumerate(by_role.items()):
        best: tuple[Choice, Recipes] | None = None
        for smoothing, zero_point in _candidates(members, ranges):
            recipes = {site.activation: (site, _recipe(site, ranges, smoothing, zero_point)) for site in members}
            vectors = _embed(quantise_sites(model, recipes, bits), batches)
            loss = float(np.mean(1.0 - cosine_rows(vectors, reference)))
            if best is None or loss < best[0].loss:
                best = Choice(role, smoothing, zero_point, loss), recipes
        assert best is not None
        choices.append(best[0])
        chosen |= best[1]
        tick((done + 1) / len(by_role))
    onnx.save(quantise_sites(model, chosen, bits), target)
    return choices


def _candidates(sites: Sequence[Site], ranges: Mapping[str, Ranges]) -> Iterator[tuple[float, int]]:
    positive = all(ranges[site.activation].nearly_positive for site in sites)
    return product(SMOOTHING, NEARLY_POSITIVE if positive else BOTH_SIGNS)


def _recipe(site: Site, ranges: Mapping[str, Ranges], smoothing: float, zero_point: int) -> Recipe:
    if smoothing == 0.0:
        return Recipe(None, zero_point)
    largest = np.maximum(ranges[site.activation].largest, 1e-5)  # [K]
    factors = np.maximum(site.reach, 1e-5) ** (1.0 - smoothing) / largest**smoothing  # [K]
    return Recipe((factors / np.exp(np.log(factors).mean())).astype(np.float32), zero_point)


def _measure(model: onnx.ModelProto, names: Sequence[str], batches: Sequence[Feed]) -> dict[str, Ranges]:
    """Run fp32 over the calibration texts and return the ranges of those of `names` that are [batch, tokens, K]."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = _session(probe)
    seen: dict[str, list[Array]] = defaultdict(list)
    for batch in batches:
        real = batch.inputs[MASK].astype(bool)  # [rows, tokens]
        for name, value in zip(names, session.run(names, batch.inputs), strict=True):
            if value.shape[:-1] == real.shape:
                seen[name].append(value[real])  # [real tokens, K]
    return {name: _range(np.concatenate(values)) for name, values in seen.items()}


def _range(values: Array) -> Ranges:
    return Ranges(np.abs(values).max(axis=0), float(values.min()), float(values.max()))


def _embed(model: onnx.ModelProto, batches: Sequence[Feed]) -> Vectors:
    session = _session(model)
    return np.concatenate([np.asarray(session.run(None, batch.inputs)[0]) for batch in batches])


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
