"""Forms of vectors: what each holds, how far it is from the model's own floats, and that cosines survive it."""

import base64
from typing import Any, Literal

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bundle.bundle import Bundle
from serving.vectors import OutputDtype, VectorForm
from tests.serving.api.conftest import post
from tests.tiny import DIMENSIONS, TRAINED_SIZES, embed_directly

DTYPES: dict[OutputDtype, str] = {"float32": "<f4", "float16": "<f2", "int8": "<i1", "binary": "<u1"}

texts = st.lists(st.text(st.sampled_from("abcdehlorstuw 数据é"), max_size=40), min_size=1, max_size=8)
sizes = st.sampled_from([None, *TRAINED_SIZES, DIMENSIONS])
dtypes = st.sampled_from(list(DTYPES))


def read(item: dict[str, Any], dtype: OutputDtype) -> NDArray[Any]:
    """Read one embedding as docs/http.md tells, whichever encoding it has."""
    embedding = item["embedding"]
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), DTYPES[dtype])
    values = np.array(embedding)
    read_as: NDArray[Any] = values.astype(DTYPES[dtype])
    if dtype.startswith("float"):
        np.testing.assert_allclose(read_as, values, rtol=1e-6)  # digits enough for the value that is meant
    else:
        np.testing.assert_array_equal(read_as, values)
    return read_as


async def items(client: httpx.AsyncClient, inputs: list[str], **form: Any) -> list[dict[str, Any]]:
    response = await post(client, "/embed", inputs=inputs, **form)
    assert response.status_code == 200, response.text
    data: list[dict[str, Any]] = response.json()["data"]
    return data


def cut(whole: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float64]:
    """Return rows cut and brought back to unit length, in double precision."""
    short = whole[:, :dimensions].astype(np.float64)
    if dimensions is None or dimensions == whole.shape[1]:
        return short
    unit: NDArray[np.float64] = short / np.linalg.norm(short, axis=1, keepdims=True)
    return unit


def cosines(rows: NDArray[Any]) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    alike: NDArray[np.float64] = unit @ unit.T
    return alike


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inputs=texts, dimensions=sizes, dtype=dtypes)
async def test_both_encodings_hold_the_same_values(
    client: httpx.AsyncClient, inputs: list[str], dimensions: int | None, dtype: OutputDtype
) -> None:
    form = {"dimensions": dimensions, "output_dtype": dtype}
    numbers = await items(client, inputs, **form)
    encoded = await items(client, inputs, **form, encoding_format="base64")
    for as_numbers, as_text in zip(numbers, encoded, strict=True):
        np.testing.assert_array_equal(read(as_numbers, dtype), read(as_text, dtype))
        assert as_numbers.get("scale") == as_text.get("scale")
        assert ("scale" in as_numbers) == (dtype == "int8")


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inputs=texts, dimensions=sizes, encoding=st.sampled_from(["float", "base64"]))
async def test_each_form_is_as_near_the_model_s_vector_as_it_says(
    client: httpx.AsyncClient, tiny: Bundle, inputs: list[str], dimensions: int | None, encoding: str
) -> None:
    exact = cut(embed_directly(tiny.root, inputs), dimensions)
    asked = {"dimensions": dimensions, "encoding_format": encoding}

    whole = np.stack([read(item, "float32") for item in await items(client, inputs, **asked)])
    np.testing.assert_allclose(whole, exact, atol=1e-6)

    half = np.stack([read(item, "float16") for item in await items(client, inputs, **asked, output_dtype="float16")])
    np.testing.assert_allclose(half, exact, rtol=2.0**-11, atol=1e-6)  # rounded to eleven bits

    told = await items(client, inputs, **asked, output_dtype="int8")
    bytes_ = np.stack([read(item, "int8") for item in told])
    scales = np.array([item["scale"] for item in told])[:, None]
    assert np.abs(bytes_.astype(int)).max(axis=1).tolist() == [127] * len(inputs)
    np.testing.assert_allclose(bytes_ * scales, exact, atol=float(scales.max()) * 0.5 + 1e-6)
    # half a step of max/127 in every dimension is at most this far from a unit vector
    assert np.abs(cosines(bytes_) - cosines(exact)).max() < 2 * scales.max() * np.sqrt(exact.shape[1])

    bits = np.stack([read(item, "binary") for item in await items(client, inputs, **asked, output_dtype="binary")])
    assert np.unpackbits(bits, axis=1).tolist() == (whole > 0).astype(int).tolist()


@given(
    vector=st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40),
    dtype=dtypes,
    encoding=st.sampled_from(["float", "base64"]),
)
def test_any_vector_has_any_form(vector: list[float], dtype: OutputDtype, encoding: Literal["float", "base64"]) -> None:
    floats = np.array(vector, dtype=np.float32)
    embedding, scale = VectorForm(dtype=dtype, encoding=encoding).apply(floats)
    raw = base64.b64decode(embedding) if isinstance(embedding, str) else embedding.tobytes()
    values = np.frombuffer(raw, DTYPES[dtype])
    if dtype == "binary":
        bits = np.unpackbits(values)
        assert bits[: len(floats)].tolist() == (floats > 0).astype(int).tolist()
        assert not bits[len(floats) :].any()  # the last byte is filled with zeros
    elif dtype == "int8":
        assert scale is not None
        np.testing.assert_allclose(values * scale, floats, atol=0.5 * scale * (1 + 1e-4))
    else:
        np.testing.assert_allclose(values, floats, rtol=2.0**-10, atol=1e-6)


def test_the_first_dimension_is_the_highest_bit() -> None:
    embedding, _ = VectorForm(dtype="binary").apply(np.array([1, -1, -1, 0, -1, -1, -1, 1, 1], dtype=np.float32))
    assert not isinstance(embedding, str)
    assert embedding.tolist() == [0b1000_0001, 0b1000_0000]


@pytest.mark.parametrize("path", ["/embed", "/v1/embeddings"])
@pytest.mark.parametrize("size", [1, 7, 9, 31, 33, 384])
async def test_a_size_that_the_model_was_not_trained_for_is_refused(
    client: httpx.AsyncClient, path: str, size: int
) -> None:
    asked = {"/embed": {"inputs": "rice"}, "/v1/embeddings": {"input": "rice"}}[path]
    response = await post(client, path, **asked, model="tiny", dimensions=size)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (422, "invalid_value", "dimensions")
    assert error["message"] == (f"this model gives no vectors of {size} dimensions: it was trained for 8, 16, 32")


@pytest.mark.parametrize("size", [*TRAINED_SIZES, DIMENSIONS])
async def test_openai_s_dimensions_are_cut_and_of_unit_length(
    client: httpx.AsyncClient, tiny: Bundle, size: int
) -> None:
    response = await post(client, "/v1/embeddings", input="rice", model="tiny", dimensions=size)
    [item] = response.json()["data"]
    np.testing.assert_allclose([item["embedding"]], cut(embed_directly(tiny.root, ["rice"]), size), atol=1e-6)


def test_a_model_without_trained_sizes_has_only_its_own() -> None:
    VectorForm(dimensions=384).check(384, True)
    VectorForm().check(384, True)
    with pytest.raises(Exception, match="it was trained for 384 only; leave it out"):
        VectorForm(dimensions=128).check(384, True)


def test_what_is_cut_is_brought_to_unit_length_unless_the_caller_wants_it_as_it_is() -> None:
    vector = np.array([3, 4, 12], dtype=np.float32)
    assert VectorForm(dimensions=2).apply(vector)[0].tolist() == pytest.approx([0.6, 0.8])  # type: ignore[union-attr]
    assert VectorForm(dimensions=2, normalize=False).apply(vector)[0].tolist() == [3, 4]  # type: ignore[union-attr]
    assert VectorForm(dimensions=3).apply(vector)[0].tolist() == [3, 4, 12]  # type: ignore[union-attr]
