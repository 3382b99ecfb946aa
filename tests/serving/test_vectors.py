import base64

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from serving.errors import JubakoError
from serving.vectors import VectorForm

Vector = NDArray[np.float32]
vectors = arrays(np.float32, 16, elements=st.floats(-1, 1, width=32)).filter(lambda v: float(np.linalg.norm(v)) > 0.1)


def cosine(a: Vector, b: Vector) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@given(vectors)
def test_int8_keeps_the_direction(vector: Vector) -> None:
    values, scale = VectorForm(dtype="int8").apply(vector)
    assert isinstance(values, np.ndarray)
    assert scale is not None
    assert cosine(values.astype(np.float32), vector) > 0.999
    np.testing.assert_allclose(values * scale, vector, atol=scale / 2 + 1e-6)


@given(vectors, st.integers(1, 16))
def test_shortened_vectors_are_of_unit_length(vector: Vector, dimensions: int) -> None:
    assume(float(np.linalg.norm(vector[:dimensions])) > 1e-6)
    values, _ = VectorForm(dimensions=dimensions, normalize=True).apply(vector)
    assert isinstance(values, np.ndarray)
    assert len(values) == dimensions
    assert float(np.linalg.norm(values)) == pytest.approx(1, abs=1e-3)


def test_a_zero_vector_survives_every_form() -> None:
    zero = np.zeros(16, dtype=np.float32)
    for dtype in ("float32", "float16", "int8", "binary"):
        values, _ = VectorForm(dimensions=8, normalize=True, dtype=dtype).apply(zero)
        assert isinstance(values, np.ndarray)
        assert not values.astype(np.float32).any()


@pytest.mark.parametrize(
    ("dtype", "stored"), [("float32", "<f4"), ("float16", "<f2"), ("int8", "i1"), ("binary", "u1")]
)
def test_base64_holds_the_bytes_of_the_values(dtype: str, stored: str) -> None:
    vector = np.linspace(-1, 1, 16, dtype=np.float32)
    plain, _ = VectorForm(dtype=dtype).apply(vector)  # type: ignore[arg-type]
    encoded, _ = VectorForm(dtype=dtype, encoding="base64").apply(vector)  # type: ignore[arg-type]
    assert isinstance(encoded, str)
    assert np.array_equal(np.frombuffer(base64.b64decode(encoded), stored), plain)


@pytest.mark.parametrize("form", [VectorForm(dimensions=17), VectorForm(dimensions=0), VectorForm(normalize=False)])
def test_what_a_model_cannot_give_is_refused(form: VectorForm) -> None:
    with pytest.raises(JubakoError):
        form.check(16, normalized=True)
