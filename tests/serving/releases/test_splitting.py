from hypothesis import given
from hypothesis import strategies as st

from serving.releases.splitting import REQUEST_KEY, falls_within, key_of, people_in

KEYS = [f"user {number}" for number in range(5000)]


def share(percent: float, salt: str = "canary text:2") -> float:
    return 100 * sum(falls_within(percent, salt, key) for key in KEYS) / len(KEYS)


def test_the_share_is_the_one_that_was_asked_for() -> None:
    for percent in (1, 10, 50, 90):
        assert abs(share(percent) - percent) < 2


@given(st.text(), st.text())
def test_everybody_is_within_all_and_nobody_within_nothing(salt: str, key: str) -> None:
    assert falls_within(100, salt, key)
    assert not falls_within(0, salt, key)


@given(st.text(), st.floats(0, 100), st.floats(0, 100))
def test_whoever_is_within_a_share_is_within_a_larger_one(key: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert falls_within(large, "salt", key) or not falls_within(small, "salt", key)


def test_another_version_draws_other_people() -> None:
    both = sum(falls_within(50, "canary text:2", key) and falls_within(50, "canary text:3", key) for key in KEYS)
    assert abs(both / len(KEYS) - 0.25) < 0.03


def test_a_person_is_known_by_id_and_a_request_by_its_own() -> None:
    REQUEST_KEY.set("order-4711")
    assert key_of([{"id": 7}]) == key_of([{"id": "7", "history": ["1"]}]) == "user 7"
    for nobody in ([], [None], [{"history": ["1"]}], [{"id": None}], [{"id": True}], [{"id": 1}, {"id": 2}]):
        assert key_of(nobody) == "order-4711"


def test_without_any_id_each_request_is_drawn_anew() -> None:
    REQUEST_KEY.set("")
    assert key_of([]) != key_of([])


def test_people_are_found_among_inputs() -> None:
    assert people_in(["1", {"user": {"id": "7"}}, {"title": "a"}, {"user": 1, "title": 2}]) == [{"id": "7"}]
