import statistics
from time import perf_counter_ns

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access.keys import LONGEST, Key, digest_of, matches, new_key, parse_key

KEY = Key("0123456789ab", "5" * 64)


def test_a_key_is_written_and_read_the_same() -> None:
    key = new_key()
    assert parse_key(str(key)) == key
    assert len({new_key() for _ in range(100)}) == 100
    assert len(str(key)) < LONGEST


def test_a_key_matches_its_own_digest_and_no_other() -> None:
    assert matches(KEY.secret, digest_of(KEY.secret))
    assert not matches(KEY.secret, digest_of("6" * 64))
    assert not matches(KEY.secret, None)
    assert not matches("", None)


@given(st.text(max_size=400))
def test_whatever_is_sent_is_taken_apart(text: str) -> None:
    parsed = parse_key(text)
    assert str(parsed) == text or not text.startswith("jbk_") or len(text) > LONGEST or "_" not in text[4:]
    assert not matches(parsed.secret, digest_of(KEY.secret))


WRONG = {
    "the right id and a secret that is wrong in its last digit": f"jbk_{KEY.id}_{'5' * 63}6",
    "the right id and a secret that is wrong in its first digit": f"jbk_{KEY.id}_6{'5' * 63}",
    "an id that is not known": f"jbk_ba9876543210_{KEY.secret}",
    "no key, from the first character on": f"xbk_{KEY.id}_{KEY.secret}",
}
DIGESTS = {KEY.id: digest_of(KEY.secret)}


def check_ns(presented: str, times: int = 400) -> float:
    """Return how long a check takes, the least disturbed of several rounds."""
    begin = perf_counter_ns()
    for _ in range(times):
        key_id, secret = parse_key(presented)
        matches(secret, DIGESTS.get(key_id))
    return (perf_counter_ns() - begin) / times


def test_the_time_of_a_check_does_not_tell_what_is_wrong() -> None:
    """Rounds alternate, so that a busy machine slows all of them alike; the medians are of 41 rounds each."""
    rounds: dict[str, list[float]] = {what: [] for what in WRONG}
    for _ in range(41):
        for what, presented in WRONG.items():
            rounds[what].append(check_ns(presented))
    medians = {what: statistics.median(times) for what, times in rounds.items()}
    assert max(medians.values()) < 1.5 * min(medians.values()), medians


@pytest.mark.parametrize("presented", WRONG.values(), ids=list(WRONG))
def test_every_check_compares_two_whole_digests(presented: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("serving.access.keys.hmac.compare_digest", compare)
    key_id, secret = parse_key(presented)
    assert not matches(secret, DIGESTS.get(key_id))
    assert compared == [(32, 32)]
