from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.api.oip.tensors import INTEGERS, Form, Tensor, from_binary, from_json, to_binary, to_json
from serving.errors import Code, JubakoError

MOST = 1000
DATATYPES = st.sampled_from(["BYTES", *INTEGERS, "FP32", "BOOL", "", "bytes"])
SHAPES = st.lists(st.integers(-2, 10**20), max_size=10).map(tuple)
SMALL_SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)


def form(datatype: str = "BYTES", *shape: int) -> Form:
    return Form("x", datatype, shape)


def code_of(found: pytest.ExceptionInfo[JubakoError]) -> Code:
    return found.value.code


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_strings_survive_their_binary_form(elements: list[bytes]) -> None:
    raw = to_binary(Tensor.of_bytes("x", elements))
    assert from_binary(form("BYTES", len(elements)), raw, MOST).elements == elements
    assert len(raw) == sum(4 + len(element) for element in elements)


@given(st.sampled_from(sorted(INTEGERS)), st.data())
def test_integers_survive_both_forms(datatype: str, data: st.DataObject) -> None:
    bounds = np.iinfo(INTEGERS[datatype])
    numbers = data.draw(st.lists(st.integers(int(bounds.min), int(bounds.max)), max_size=10))
    array = np.array(numbers, dtype=INTEGERS[datatype])
    for read in (
        from_binary(form(datatype, len(numbers)), array.tobytes(), MOST),
        from_json(form(datatype, len(numbers)), numbers, MOST),
    ):
        assert isinstance(read.elements, np.ndarray)
        assert read.elements.tolist() == numbers


def test_binary_strings_have_their_length_in_front() -> None:
    assert to_binary(Tensor.of_bytes("x", [b"ab", b""])) == b"\x02\x00\x00\x00ab\x00\x00\x00\x00"


@pytest.mark.parametrize("dtype", [np.bool_, np.float16, np.float32, np.int8, np.uint8])
def test_arrays_become_row_major_bytes_and_flat_values(dtype: Any) -> None:
    array = np.arange(6).reshape(2, 3).T.astype(dtype)  # [3, 2], not contiguous
    tensor = Tensor.of_array("x", array)
    assert tensor.shape == (3, 2)
    assert np.frombuffer(to_binary(tensor), dtype=dtype).tolist() == array.ravel().tolist()
    assert list(to_json(tensor)) == array.ravel().tolist()


@given(SMALL_SHAPES)
def test_nested_data_is_read_as_flat_data_is(shape: tuple[int, ...]) -> None:
    flat = [str(number) for number in range(prod(shape))]
    nested = np.array(flat, dtype=object).reshape(shape).tolist()
    expected = [text.encode() for text in flat]
    assert from_json(form("BYTES", *shape), flat, MOST).elements == expected
    if shape:
        assert from_json(form("BYTES", *shape), nested, MOST).elements == expected


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ([2], ["a"]),
        ([1], ["a", "b"]),
        ([0], ["a"]),
        ([2, 2], [["a", "b"], ["c"]]),
        ([3], [["a"], ["b", "c"]]),
        ([2, 2], [["a", "b"], "c"]),
        ([2, 1], [[["a"]], [["b"]]]),
        ([1], [["a"]]),
        ([2], ["a", None]),
        ([2], ["a", 5]),
        ([1], ["\ud800"]),
    ],
)
def test_data_that_do_not_fit_their_shape_are_refused(shape: list[int], data: list[Any]) -> None:
    with pytest.raises(JubakoError) as found:
        from_json(form("BYTES", *shape), data, MOST)
    assert code_of(found) is Code.INVALID_VALUE
    assert (found.value.param or "").startswith("x")


@pytest.mark.parametrize(
    ("shape", "raw"),
    [
        ([1], b""),
        ([1], b"\x01"),
        ([1], b"\x01\x00\x00\x00"),
        ([1], b"\xff\xff\xff\xffa"),
        ([1], b"\x00\x00\x00\x00\x00\x00\x00\x00"),
        ([2], b"\x01\x00\x00\x00a"),
        ([0], b"\x00\x00\x00\x00"),
    ],
)
def test_binary_data_that_do_not_fit_their_shape_are_refused(shape: list[int], raw: bytes) -> None:
    with pytest.raises(JubakoError) as found:
        from_binary(form("BYTES", *shape), raw, MOST)
    assert code_of(found) is Code.INVALID_VALUE


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 1.0, True, "1", None])
def test_what_is_no_integer_of_its_datatype_is_refused(value: Any) -> None:
    with pytest.raises(JubakoError):
        from_json(form("INT32", 1), [value], MOST)


@pytest.mark.parametrize("shape", [[MOST + 1], [10**18, 10**18], [2] * 10, [1] * 9, [-1]])
def test_a_shape_is_refused_before_anything_is_made_of_it(shape: list[int]) -> None:
    with pytest.raises(JubakoError) as found:
        from_binary(form("BYTES", *shape), b"", MOST)
    assert code_of(found) in (Code.TOO_LARGE, Code.INVALID_VALUE)
    assert len(found.value.message) < 300


def check_read_or_refused(shape: tuple[int, ...], read: Callable[[], Tensor]) -> None:
    try:
        count = len(read().elements)
    except JubakoError as error:
        count, status = -1, error.http_status
    assert count == prod(shape) or status in (413, 422)


@given(DATATYPES, SHAPES, st.binary(max_size=200))
def test_any_binary_data_are_read_or_refused(datatype: str, shape: tuple[int, ...], raw: bytes) -> None:
    check_read_or_refused(shape, lambda: from_binary(Form("x", datatype, shape), raw, MOST))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=4)
)


@given(DATATYPES, SHAPES | SMALL_SHAPES, st.lists(JSON, max_size=6))
def test_any_json_data_are_read_or_refused(datatype: str, shape: tuple[int, ...], data: list[Any]) -> None:
    check_read_or_refused(shape, lambda: from_json(Form("x", datatype, shape), data, MOST))
