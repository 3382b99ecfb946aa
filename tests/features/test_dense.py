import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from pydantic import ValidationError

from features.dense import DenseConfig
from features.works import DENSE


def test_the_middle_half_of_the_training_rows_has_width_one() -> None:
    config = DenseConfig.fit(["age"], [[10.0], [20.0], [30.0], [40.0], [50.0]], log=())
    assert (config.centre, config.scale) == ((30.0,), (20.0,))
    np.testing.assert_array_equal(config.apply([[30.0], [50.0], [10.0]]), [[0.0], [1.0], [-1.0]])


def test_amounts_are_compressed_and_years_are_not() -> None:
    rows = np.abs(np.random.default_rng(0).normal(size=(9, len(DENSE)))) * 1000
    config = DenseConfig.fit(DENSE, rows)
    assert set(DENSE) - set(config.log) == {
        *("is_complete", "publish_year", "update_year", "5times_in_title", "hiatus_in_summary")
    }
    assert config.centre[0] == pytest.approx(math.log1p(np.median(rows[:, 0])))
    assert config.centre[9] == pytest.approx(np.median(rows[:, 9]))


def test_what_is_not_known_becomes_the_middle() -> None:
    config = DenseConfig.fit(["hits", "words"], [[1.0, math.nan], [3.0, math.nan], [math.nan, math.nan]], log=())
    assert (config.centre, config.scale) == ((2.0, 0.0), (1.0, 1.0))
    np.testing.assert_array_equal(config.apply([[math.nan, math.nan], [3.0, 7.0]]), [[0.0, 0.0], [1.0, 7.0]])


def test_numbers_without_spread_and_no_rows_at_all_divide_by_one() -> None:
    assert DenseConfig.fit(["hits"], [[5.0]] * 9, log=()).scale == (1.0,)
    assert DenseConfig.fit(["hits"], np.zeros((0, 1))).centre == (0.0,)


def test_outliers_are_cut_off() -> None:
    config = DenseConfig.fit(["hits"], [[1.0], [2.0], [3.0]], log=())
    np.testing.assert_array_equal(config.apply([[1e300], [math.inf], [-math.inf]]), [[10.0], [10.0], [-10.0]])


NUMBERS = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.floats())


@settings(deadline=None)
@given(NUMBERS)
def test_whatever_the_numbers_what_a_graph_gets_is_finite(numbers: NDArray[np.float64]) -> None:
    names = [f"n{at}" for at in range(numbers.shape[1])]
    for log in (None, ()):
        config = DenseConfig.fit(names, numbers, log)
        scaled = config.apply(numbers)
        assert scaled.dtype == np.float32
        assert scaled.shape == numbers.shape
        assert (np.abs(scaled) <= config.limit).all()
        opened = DenseConfig.model_validate_json(config.model_dump_json())
        np.testing.assert_array_equal(opened.apply(numbers), scaled)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"scale": (0.0,)}, "greater than 0"),
        ({"centre": (math.nan,)}, "finite"),
        ({"centre": (1.0, 2.0)}, "2 centres and 1 scales for 1 names"),
        ({"names": ("hits", "hits")}, "twice"),
        ({"log": ("words",)}, "log names what is not read: words"),
    ],
)
def test_statistics_that_cannot_be_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DenseConfig.model_validate({"names": ("hits",), "centre": (0.0,), "scale": (1.0,), **wrong})
