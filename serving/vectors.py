"""What a caller may ask to be done to an embedding after the graph: shorten, renormalise, quantise, encode."""

import base64
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serving.errors import Code, JubakoError

OutputDtype = Literal["float32", "float16", "int8", "binary"]
EncodingFormat = Literal["float", "base64"]
Embedding = NDArray[np.float32] | NDArray[np.float16] | NDArray[np.int8] | NDArray[np.uint8] | str


@dataclass(frozen=True)
class VectorForm:
    """The form in which a request wants its embeddings."""

    dimensions: int | None = None
    """Leading dimensions to keep; the shortened vector is brought back to unit length."""
    normalize: bool | None = None
    """Unit length. None leaves the vector as the model gives it."""
    dtype: OutputDtype = "float32"
    encoding: EncodingFormat = "float"

    def check(self, dimensions: int, normalized: bool) -> None:
        """Check that a model of this many dimensions can be answered in this form.

        Raises:
            JubakoError: `invalid_value`, naming the parameter.
        """
        if self.dimensions is not None and not 1 <= self.dimensions <= dimensions:
            raise JubakoError(Code.INVALID_VALUE, f"dimensions must be between 1 and {dimensions}", param="dimensions")
        if self.normalize is False and normalized:
            raise JubakoError(
                Code.INVALID_VALUE,
                "this model's graph ends in L2 normalisation; leave normalize out or set it to true",
                param="normalize",
            )

    def apply(self, vector: NDArray[np.float32]) -> tuple[Embedding, float | None]:
        """Return the embedding and, for int8, the scale that turns it back into floats.

        float32 and float16 are the vector's values. int8 is `round(vector / scale)` with one scale for each vector,
        which leaves every cosine as it is. binary packs the signs, eight to a byte, most significant bit first. base64
        holds the same values as little-endian bytes.
        """
        if self.dimensions is not None and self.dimensions < len(vector):
            vector = _unit(vector[: self.dimensions])
        elif self.normalize:
            vector = _unit(vector)
        values, scale = _quantise(vector, self.dtype)
        if self.encoding == "base64":
            return base64.b64encode(values.tobytes()).decode(), scale
        return values, scale


AS_IT_IS = VectorForm()
"""The model's own vectors, as float32 numbers."""


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vector / np.maximum(np.linalg.norm(vector), np.float32(1e-12))
    return unit


def _quantise(
    vector: NDArray[np.float32], dtype: OutputDtype
) -> tuple[NDArray[np.float32] | NDArray[np.float16] | NDArray[np.int8] | NDArray[np.uint8], float | None]:
    if dtype == "float16":
        return vector.astype(np.float16), None
    if dtype == "binary":
        return np.packbits(vector > 0), None
    if dtype == "int8":
        scale = max(float(np.abs(vector).max()) / 127, 1e-12)
        return np.round(vector / scale).astype(np.int8), scale
    return np.ascontiguousarray(vector), None
