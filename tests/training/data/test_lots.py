import numpy as np

from training.data.lots import lots_of, mixed, shares

NAMES = [f"n{at}" for at in range(4000)]


def test_lots_are_the_same_on_every_machine() -> None:
    assert lots_of(["a", "b"], 7).tolist() == [1787129864792978318, 8120056299167881997]
    assert mixed(lots_of(["a"], 0), lots_of(["b"], 0)).tolist() == [12313456320961122087]


def test_lots_hang_on_the_seed_and_on_the_order_of_a_pair() -> None:
    a, b = lots_of(NAMES, 0), lots_of(NAMES, 1)
    assert not (a == b).any()
    assert not (mixed(a, b) == mixed(b, a)).any()


def test_shares_are_even() -> None:
    lots = lots_of(NAMES, 3)
    for found in (shares(lots), shares(mixed(lots, lots[:1])), shares(mixed(lots[:1], lots))):
        assert np.histogram(found, bins=10, range=(0, 1))[0].min() > 330
        assert len(np.unique(found)) == len(NAMES)
