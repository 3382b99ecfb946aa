"""What a caller may ask to be done to an embedding after the graph: shorten, renormalise, quantise, encode."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serving.errors import Code, JubakoError

OutputDtype = Literal["float32", "float16", "int8", "binary"]
EncodingFormat = Literal["float", "base64"]
Values = NDArray[np.float32] | NDArray[np.float16] | NDArray[np.int8] | NDArray[np.uint8]
Embedding = Values | str


@dataclass(frozen=True)
class VectorForm:
    """The form in which a request wants its embeddings."""

    dimensions: int | None = None
    """Leading dimensions to keep; what is cut is brought back to unit length, unless `normalize` is off."""
    normalize: bool | None = None
    """Unit length. None leaves a whole vector as the model gives it."""
    dtype: OutputDtype = "float32"
    encoding: EncodingFormat = "float"

    def check(self, dimensions: int, normalized: bool, trained: Sequence[int] = ()) -> None:
        """Check that a model of this many dimensions can be answered in this form.

        `trained` are the shorter sizes that it was trained for (Kusupati et al., Matryoshka Representation Learning,
        2022). The head of any other vector is not a vector of like texts: it is refused rather than cut.

        Raises:
            JubakoError: `invalid_value`, naming the parameter.
        """
        if self.dimensions is not None and self.dimensions != dimensions and self.dimensions not in trained:
            sizes = ", ".join(map(str, sorted({*trained, dimensions})))
            why = f"it was trained for {sizes}" if trained else f"it was trained for {dimensions} only; leave it out"
            message = f"this model gives no vectors of {self.dimensions} dimensions: {why}"
            raise JubakoError(Code.INVALID_VALUE, message, param="dimensions")
        if self.normalize is False and normalized:
            raise JubakoError(
                Code.INVALID_VALUE,
                "this model's graph ends in L2 normalisation; leave normalize out or set it to true",
                param="normalize",
            )

    def apply(self, vector: NDArray[np.float32]) -> tuple[Embedding, float | None]:
        """Return the embedding and, for int8, the scale that turns it back into floats.

        base64 holds the same values as little-endian bytes.
        """
        if self.encoding == "base64":
            packed, scale = self.packed(vector)
            return base64.b64encode(packed).decode(), scale
        return self.values(vector)

    def packed(self, vector: NDArray[np.float32]) -> tuple[bytes, float | None]:
        """Return the values as little-endian bytes and, for int8, the scale."""
        values, scale = self.values(vector)
        return values.tobytes(), scale

    def values(self, vector: NDArray[np.float32]) -> tuple[Values, float | None]:
        """Return the values and, for int8, the scale that turns them back into floats.

        float32 and float16 are the vector's values. int8 is `round(vector / scale)` with one scale for each vector,
        which leaves every cosine as it is. binary packs the signs, eight to a byte, most significant bit first.
        """
        cut = self.dimensions is not None and self.dimensions < len(vector)
        if cut:
            vector = vector[: self.dimensions]
        if self.normalize or (cut and self.normalize is None):
            vector = _unit(vector)
        return _quantise(vector, self.dtype)


AS_IT_IS = VectorForm()
"""The model's own vectors, as float32 numbers."""


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vector / np.maximum(np.linalg.norm(vector), np.float32(1e-12))
    return unit


def _quantise(vector: NDArray[np.float32], dtype: OutputDtype) -> tuple[Values, float | None]:
    if dtype == "float16":
        return vector.astype(np.float16), None
    if dtype == "binary":
        return np.packbits(vector > 0), None
    if dtype == "int8":
        scale = max(float(np.abs(vector).max()) / 127, 1e-12)
        return np.round(vector / scale).astype(np.int8), scale
    return np.ascontiguousarray(vector), None
