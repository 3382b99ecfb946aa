"""How much a model takes at once where the settings leave it open, by device and by what a token costs."""

from dataclasses import dataclass
from enum import StrEnum

from bundle.manifest import Provider


class Cost(StrEnum):
    """What a token of a model is."""

    TRANSFORMER = "transformer"
    """A token passes through all layers."""
    BAG = "bag"
    """A token is an n-gram: one look-up and one sum, about a hundredth of the above."""


@dataclass(frozen=True)
class Bounds:
    """Bounds of one model on one device."""

    batch_tokens: int
    """Token budget of a micro-batch: past it throughput is flat."""
    queue_tokens: int
    """Tokens that may wait or be computed: a few seconds of work."""
    encode_threads: int
    """One thread encodes faster than a CPU computes; a GPU takes several of those that run without the GIL."""


BOUNDS = {
    (Cost.TRANSFORMER, Provider.CPU): Bounds(512, 65_536, 1),
    (Cost.TRANSFORMER, Provider.CUDA): Bounds(16_384, 2_097_152, 4),
    (Cost.BAG, Provider.CPU): Bounds(32_768, 4_194_304, 1),
    (Cost.BAG, Provider.CUDA): Bounds(262_144, 33_554_432, 1),
}
