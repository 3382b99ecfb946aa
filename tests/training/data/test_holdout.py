from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from tests.training.data.readers import Pairs, met, named, pairs
from training.data.errors import DataError
from training.data.holdout import Holdout, HoldoutConfig, hold_out
from training.data.interactions import Interactions, InteractionsConfig, load_interactions
from training.data.sample_interactions import SampleConfig

configs = st.builds(
    HoldoutConfig,
    test=st.sampled_from([0.1, 0.2, 0.5]),
    validation=st.sampled_from([0.1, 0.2]),
    validation_users=st.sampled_from([0.1, 0.5, 1.0]),
    seed=st.integers(0, 5),
)


def ids(interactions: Interactions, part: csr_matrix) -> set[tuple[str, str]]:
    return named(interactions, *part.nonzero())


def parts(rows: Pairs, config: HoldoutConfig) -> list[set[tuple[str, str]]]:
    interactions = met(rows)
    held = hold_out(interactions, config)
    return [ids(interactions, part) for part in (held.train, held.validation, held.test)]


@settings(deadline=None)
@given(pairs(), configs)
def test_each_interaction_is_in_one_part(rows: Pairs, config: HoldoutConfig) -> None:
    train, validation, test = parts(rows, config)
    assert train | validation | test == set(rows)
    assert len(train) + len(validation) + len(test) == len(rows)


@settings(deadline=None)
@given(pairs(), configs)
def test_history_is_all_that_is_not_test_and_nothing_of_it(rows: Pairs, config: HoldoutConfig) -> None:
    held = hold_out(met(rows), config)
    assert (held.history - (held.train + held.validation)).nnz == 0
    assert held.history.multiply(held.test).nnz == 0
    assert held.history.nnz + held.test.nnz == len(rows)
    for part in (held.train, held.validation, held.test, held.history):
        assert part.has_canonical_format
        assert part.dtype == np.bool_


@settings(deadline=None)
@given(pairs(), configs)
def test_each_user_gives_a_share_and_keeps_something(rows: Pairs, config: HoldoutConfig) -> None:
    interactions = met(rows)
    held = hold_out(interactions, config)
    sizes = np.bincount(interactions.users)
    tested, trained, validated = (np.diff(part.indptr) for part in (held.test, held.train, held.validation))
    assert (tested[sizes == 1] == 0).all()
    assert (tested[sizes > 1] >= 1).all()
    assert (abs(tested - sizes * config.test)[sizes > 1] <= 1).all()
    assert (trained >= 1).all()
    assert (abs(validated - (sizes - tested) * config.validation)[validated > 0] <= 1).all()
    if config.validation_users == 1:
        assert (validated[sizes - tested > 1] >= 1).all()


@settings(deadline=None)
@given(pairs(), configs, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: Pairs, config: HoldoutConfig, random: Random) -> None:
    shuffled = random.sample(rows, len(rows))
    assert parts(shuffled, config) == parts(rows, config)


@settings(deadline=None)
@given(pairs(), configs)
def test_other_users_do_not_matter(rows: Pairs, config: HoldoutConfig) -> None:
    few = [row for row in rows if row[0] in ("u0", "u1")]
    if few:
        for whole, alone in zip(parts(rows, config), parts(few, config), strict=True):
            assert {row for row in whole if row[0] in ("u0", "u1")} == alone


def sampled(**config: object) -> tuple[Interactions, Holdout]:
    data = load_interactions(
        InteractionsConfig(name="goodbooks", sample=SampleConfig(rows=8000), min_user=2, min_item=1),
        say=lambda line: None,
    )
    return data, hold_out(data, HoldoutConfig.model_validate(config))


def test_shares_and_seeds_are_as_asked() -> None:
    data, held = sampled()
    assert 0.18 < held.test.nnz / len(data) < 0.22
    asked = np.diff(held.validation.indptr) > 0
    assert 0.05 < asked.mean() < 0.15
    assert held.validation.nnz < 0.03 * len(data)
    other = sampled(seed=1)[1]
    common = held.test.multiply(other.test).nnz / held.test.nnz
    assert 0.15 < common < 0.45


def test_by_time_the_newest_are_held_out() -> None:
    data, held = sampled(by="time", validation_users=1)
    assert data.times is not None
    times = csr_matrix((data.times, (data.users, data.items)), shape=held.train.shape)
    for user in range(len(data.user_ids)):
        train, validation, test = (
            times[user].multiply(part[user]).data for part in (held.train, held.validation, held.test)
        )
        assert max(train) <= min(validation, default=max(train))
        assert max([*train, *validation]) <= min(test)


def test_what_has_no_time_is_the_oldest() -> None:
    data = met([("u", f"i{at}") for at in range(5)], [3.0, None, 9.0, 1.0, None])
    held = hold_out(data, HoldoutConfig(by="time", test=0.6))
    assert ids(data, held.test) == {("u", "i0"), ("u", "i2"), ("u", "i3")}


def test_without_times_there_is_no_division_by_time() -> None:
    with pytest.raises(DataError, match="hold out at random"):
        hold_out(met([("u", "i")]), HoldoutConfig(by="time"))
