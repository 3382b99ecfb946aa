import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access.buckets import Allowance, Bucket
from serving.access.records import Quotas
from serving.errors import Code, JubakoError


class Time:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@given(
    rate=st.floats(0.01, 1e4),
    capacity=st.floats(1, 1e4),
    steps=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e4)), max_size=50),
)
def test_a_bucket_never_gives_more_than_its_rate_and_what_it_held(
    rate: float, capacity: float, steps: list[tuple[float, float]]
) -> None:
    time = Time()
    bucket = Bucket(rate, capacity, time)
    given_out = 0.0
    for pause, amount in steps:
        time.now += pause
        if bucket.wait_s(amount) == 0:
            bucket.take(amount)
            given_out += amount
    assert given_out <= (capacity + rate * (time.now - 1000)) * (1 + 1e-6)


@given(rate=st.floats(0.01, 1e4), capacity=st.floats(1, 1e4), amount=st.floats(0.001, 2e4))
def test_after_the_time_it_names_there_is_enough_and_just_before_there_is_not(
    rate: float, capacity: float, amount: float
) -> None:
    time = Time()
    bucket = Bucket(rate, capacity, time)
    bucket.take(capacity)
    wait_s = bucket.wait_s(amount)
    if amount > capacity:
        assert wait_s == math.inf
        return
    time.now += wait_s * 0.99
    assert bucket.wait_s(amount) > 0
    time.now += wait_s * 0.02 + 1e-6
    assert bucket.wait_s(amount) == 0


def refusal(allowance: Allowance, tokens: int | None = None) -> JubakoError | None:
    try:
        if tokens is None:
            allowance.admit()
        else:
            allowance.charge(tokens)
    except JubakoError as error:
        return error
    return None


def test_requests_come_at_their_rate_after_a_burst(time: Time) -> None:
    allowance = Allowance(Quotas(requests_per_second=0.5, burst=3), 1, time)
    assert [refusal(allowance) is None for _ in range(4)] == [True, True, True, False]
    error = refusal(allowance)
    assert error is not None
    assert (error.code, error.retry_after_s) == (Code.QUOTA_EXCEEDED, 2)
    time.now += 2
    assert [refusal(allowance) is None for _ in range(2)] == [True, False]


def test_a_burst_is_one_second_s_and_at_least_one_unless_it_is_set(time: Time) -> None:
    assert [refusal(Allowance(Quotas(requests_per_second=0.1), 1, time)) for _ in range(1)] == [None]
    allowance = Allowance(Quotas(requests_per_second=20), 1, time)
    assert sum(refusal(allowance) is None for _ in range(30)) == 20


def test_tokens_are_taken_from_every_bucket_or_from_none(time: Time) -> None:
    allowance = Allowance(Quotas(tokens_per_minute=100, tokens_per_day=150), 1, time)
    assert refusal(allowance, 100) is None
    time.now += 60
    error = refusal(allowance, 90)
    assert error is not None
    assert error.code is Code.QUOTA_EXCEEDED
    assert "day" in error.message
    assert error.retry_after_s is not None
    assert error.retry_after_s > 10_000
    assert refusal(allowance, 50) is None, "the minute's bucket is as full as it was"


def test_what_can_never_be_is_too_large_and_is_not_told_to_come_again(time: Time) -> None:
    error = refusal(Allowance(Quotas(tokens_per_minute=100), 1, time), 101)
    assert error is not None
    assert (error.code, error.retry_after_s) == (Code.TOO_LARGE, None)


def test_without_tokens_a_request_is_refused_before_it_is_read(time: Time) -> None:
    allowance = Allowance(Quotas(tokens_per_minute=60), 1, time)
    assert refusal(allowance, 60) is None
    error = refusal(allowance)
    assert error is not None
    assert (error.code, error.retry_after_s) == (Code.QUOTA_EXCEEDED, 1)
    time.now += 1
    assert refusal(allowance) is None


def test_processes_share_a_quota(time: Time) -> None:
    allowance = Allowance(Quotas(requests_per_second=20, tokens_per_minute=100), 4, time)
    assert sum(refusal(allowance) is None for _ in range(30)) == 5
    assert refusal(allowance, 25) is None
    assert refusal(allowance, 1) is not None


def test_without_quotas_everything_passes(time: Time) -> None:
    allowance = Allowance(Quotas(), 1, time)
    assert [refusal(allowance), refusal(allowance, 10**12)] == [None, None]
