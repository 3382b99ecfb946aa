"""Named tensors, and their elements as JSON values, as binary data, and as Python has them.

Binary data is little-endian and row-major without padding; a BYTES element has its length before it, in four bytes.
Inputs are texts, JSON and ids, so that only BYTES and integers are read; answers have more datatypes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import Code, JubakoError
from serving.settings import Limits

BYTES = "BYTES"
INTEGERS: dict[str, np.dtype[Any]] = {
    f"{sign}INT{bits}": np.dtype(f"<{kind}{bits // 8}")
    for sign, kind in (("U", "u"), ("", "i"))
    for bits in (8, 16, 32, 64)
}
"""Datatypes of ids besides BYTES."""
DATATYPES = {np.dtype(dtype): name for name, dtype in INTEGERS.items()} | {
    np.dtype(np.bool_): "BOOL",
    np.dtype("<f2"): "FP16",
    np.dtype("<f4"): "FP32",
}
"""The protocol's name of what an array holds."""
LENGTH_BYTES = 4
MAX_RANK = 8
"""Dimensions of a shape; more are a mistake, and looking for them in nested data is work."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """One tensor, its elements flat and row-major."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    elements: Array | list[bytes]

    @classmethod
    def of_array(cls, name: str, array: Array) -> "Tensor":
        """Return the tensor that holds an array."""
        return cls(name, DATATYPES[array.dtype], array.shape, np.ascontiguousarray(array).ravel())

    @classmethod
    def of_bytes(cls, name: str, elements: list[bytes], shape: tuple[int, ...] | None = None) -> "Tensor":
        """Return the tensor of strings of bytes, of one dimension where no shape is given."""
        return cls(name, BYTES, (len(elements),) if shape is None else shape, elements)


@dataclass(frozen=True)
class Form:
    """What a request says of one of its tensors beside the elements."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def check(self, most: int) -> int:
        """Return how many elements there have to be, before any of them is looked at.

        Raises:
            JubakoError: `invalid_value` for a datatype or shape that nothing here has, `too_large` for more than `most`
                elements.
        """
        if self.datatype != BYTES and self.datatype not in INTEGERS:
            message = f"{self.name} is {self.datatype!r}; send texts, JSON and ids as {BYTES}, or ids as integers"
            raise JubakoError(Code.INVALID_VALUE, message, param=self.name)
        if len(self.shape) > MAX_RANK or min(self.shape, default=0) < 0:
            message = f"{self.name} has the shape {self.told}; send at most {MAX_RANK} sizes, none below 0"
            raise JubakoError(Code.INVALID_VALUE, message, param=self.name)
        count = prod(self.shape)
        if count > most:
            message = f"{self.name} has {count} elements, the limit is {most}; split the request"
            raise JubakoError(Code.TOO_LARGE, message, param=self.name)
        return count

    def misfit(self, found: str) -> JubakoError:
        """Return the error that tells what was found in place of this shape's elements."""
        message = f"{self.name} has the shape {self.told}, which takes {prod(self.shape)} elements, and {found}"
        return JubakoError(Code.INVALID_VALUE, message, param=self.name)

    def tensor(self, elements: Array | list[bytes]) -> Tensor:
        """Return the tensor of these elements.

        Raises:
            JubakoError: `invalid_value`: there are more or fewer than the shape has.
        """
        if len(elements) != prod(self.shape):
            raise self.misfit(f"{len(elements)} were sent")
        return Tensor(self.name, self.datatype, self.shape, elements)

    @property
    def told(self) -> str:
        """The shape, for people."""
        sizes = ", ".join(map(str, self.shape[:MAX_RANK]))
        return f"[{sizes[:80]}{', ...' if len(self.shape) > MAX_RANK or len(sizes) > 80 else ''}]"


def most_elements(limits: Limits) -> int:
    """Return how many elements a tensor of a request may have, whatever is in it."""
    return max(limits.max_inputs, limits.max_history)


def from_json(form: Form, data: Sequence[object], most: int) -> Tensor:
    """Return the tensor whose elements are JSON values, in one list or nested as the shape is.

    Raises:
        JubakoError: `invalid_value`, `too_large`.
    """
    form.check(most)
    elements = _flat(form, data)
    if form.datatype == BYTES:
        return form.tensor([_encoded(form.name, place, value) for place, value in enumerate(elements)])
    dtype = INTEGERS[form.datatype]
    bounds = np.iinfo(dtype)
    for place, value in enumerate(elements):
        if type(value) is not int or not bounds.min <= value <= bounds.max:
            raise _wrong_element(form.name, place, f"an integer of {form.datatype}")
    return form.tensor(np.array(elements, dtype=dtype))


def from_binary(form: Form, raw: bytes | memoryview, most: int) -> Tensor:
    """Return the tensor of binary data.

    Raises:
        JubakoError: `invalid_value`, `too_large`.
    """
    count = form.check(most)
    if form.datatype == BYTES:
        return form.tensor(_split(form, raw, count))
    dtype = INTEGERS[form.datatype]
    if len(raw) != count * dtype.itemsize:
        raise form.misfit(f"of {dtype.itemsize} bytes each; {len(raw)} bytes were sent")
    return form.tensor(np.frombuffer(raw, dtype=dtype))


def to_json(tensor: Tensor) -> Array | list[str]:
    """Return the elements as JSON has them, flat."""
    if isinstance(tensor.elements, list):
        return [element.decode() for element in tensor.elements]
    return tensor.elements


def to_binary(tensor: Tensor) -> bytes:
    """Return the elements as binary data."""
    if isinstance(tensor.elements, list):
        return b"".join(
            piece for element in tensor.elements for piece in (len(element).to_bytes(LENGTH_BYTES, "little"), element)
        )
    return tensor.elements.tobytes()


def _flat(form: Form, data: Sequence[object]) -> Sequence[Any]:
    """Return the elements of data that is flat already or nested as the shape is."""
    if not any(isinstance(value, list) for value in data):
        return data
    level: list[Any] = [data]
    for size in form.shape:
        if not all(isinstance(row, list) and len(row) == size for row in level):
            raise form.misfit("the lists of its data are of other sizes")
        level = [value for row in level for value in row]
    return level


def _encoded(name: str, place: int, value: object) -> bytes:
    if not isinstance(value, str):
        raise _wrong_element(name, place, "a string; JSON for the model goes into one, too")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise _wrong_element(name, place, "valid Unicode") from error


def _split(form: Form, raw: bytes | memoryview, count: int) -> list[bytes]:
    elements: list[bytes] = []
    at, end = 0, len(raw)
    while at < end and len(elements) < count:
        begin = at + LENGTH_BYTES
        at = begin + int.from_bytes(raw[at:begin], "little")
        if at > end:
            break
        elements.append(bytes(raw[begin:at]))
    if at != end or len(elements) != count:
        raise form.misfit(f"its {end} bytes do not hold as many, each after its length in {LENGTH_BYTES} bytes")
    return elements


def _wrong_element(name: str, place: int, wanted: str) -> JubakoError:
    param = f"{name}.{place}"
    return JubakoError(Code.INVALID_VALUE, f"{param} has to be {wanted}", param=param)
