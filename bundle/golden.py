"""Golden vectors: a few inputs and their reference outputs, the self-test a bundle carries with it.

Stored as an NPZ of plain arrays (no Python objects, so nothing is executed on load): `inputs` fixed-width unicode
[rows], `outputs` float32 [rows, outputs] from the PyTorch module. An input is a text as the model's features encode it;
a classifier's is the one text that its record was turned into, and its outputs are scores; a recommender's is a record
as JSON, and each of its encoders has a file of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from bundle.errors import BundleError
from bundle.manifest import Role

GOLDEN_FILE = "golden.npz"


def golden_file(role: Role) -> str:
    """Return the name of an encoder's file."""
    return GOLDEN_FILE if role is Role.ENCODER else f"golden.{role}.npz"


@dataclass(frozen=True)
class Golden:
    """Inputs and the outputs that the PyTorch module gave for them."""

    inputs: list[str]
    outputs: NDArray[np.float32]  # [rows, outputs]

    def write(self, root: Path, role: Role = Role.ENCODER) -> None:
        """Write an encoder's file into the bundle's folder."""
        np.savez(root / golden_file(role), inputs=np.array(self.inputs, dtype=np.str_), outputs=self.outputs)

    @classmethod
    def read(cls, root: Path, role: Role = Role.ENCODER) -> "Golden":
        """Read an encoder's file.

        Raises:
            BundleError: the file is missing or does not hold two arrays of the same number of rows.
        """
        file = golden_file(role)
        try:
            with np.load(root / file, allow_pickle=False) as arrays:
                golden = cls([str(text) for text in arrays["inputs"]], arrays["outputs"].astype(np.float32))
        except (OSError, KeyError, ValueError, BadZipFile) as error:
            raise BundleError(f"{file}: cannot be read ({error})") from error
        if not golden.inputs or len(golden.inputs) != len(golden.outputs):
            raise BundleError(f"{file}: {len(golden.inputs)} inputs for {len(golden.outputs)} outputs")
        return golden

    def check(self, outputs: NDArray[np.float32], min_cosine: float, sizes: Sequence[int] = ()) -> None:
        """Compare a graph's outputs [rows, dimensions] for `inputs` with the reference, whole and cut to `sizes`.

        Raises:
            BundleError: a row is not finite or its cosine to the reference is below `min_cosine`.
        """
        self._check_shape(outputs)
        worst = min_cosine_of(outputs, self.outputs, sizes)
        if not worst >= min_cosine:
            raise BundleError(f"{GOLDEN_FILE}: cosine {worst:.5f} to the reference, at least {min_cosine} is required")

    def check_scores(self, scores: NDArray[np.float32], max_abs: float) -> None:
        """Compare a classifier's scores [rows, labels] for `inputs` with the reference.

        Raises:
            BundleError: a score is not finite or further than `max_abs` from the reference.
        """
        self._check_shape(scores)
        worst = float(np.abs(scores - self.outputs).max())
        if not worst <= max_abs:
            raise BundleError(f"{GOLDEN_FILE}: a score is {worst:.5f} off the reference, at most {max_abs} is allowed")

    def _check_shape(self, outputs: NDArray[np.float32]) -> None:
        if outputs.shape != self.outputs.shape:
            raise BundleError(f"{GOLDEN_FILE}: the graph answers {outputs.shape}, expected {self.outputs.shape}")


def min_cosine_of(a: NDArray[np.float32], b: NDArray[np.float32], sizes: Sequence[int] = ()) -> float:
    """Return the smallest cosine of any pair of rows of two [rows, dimensions] arrays, whole and cut to each size."""
    return float(np.min([cosine_rows(a[:, :size], b[:, :size]).min() for size in (a.shape[1], *sizes)]))


def cosine_rows(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cosine of each pair of rows of two [rows, dimensions] arrays; NaN rows give NaN, two zero rows 1.

    What an encoder knows nothing of is the zero vector, and whoever answers zero to it agrees.
    """
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    lengths, others = np.linalg.norm(a64, axis=1), np.linalg.norm(b64, axis=1)
    dots: NDArray[np.float64] = np.einsum("rd,rd->r", a64, b64) / np.maximum(lengths * others, 1e-12)
    dots[(lengths == 0) & (others == 0)] = 1.0
    return dots
