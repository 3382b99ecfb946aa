import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serving.access.keyring import LOOK_S, Keyring
from serving.access.keys import Key, digest_of, new_key
from serving.access.records import KeyFileError, KeyRecord, write_keys
from serving.errors import Code, JubakoError
from tests.serving.access.test_buckets import Time

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def record_of(key: Key, name: str = "team", **fields: object) -> KeyRecord:
    return KeyRecord.model_validate({"name": name, "digest": digest_of(key.secret).hex(), **fields})


def code_of(ring: Keyring, presented: str) -> Code | None:
    try:
        ring.caller_of(presented)
    except JubakoError as error:
        return error.code
    return None


def test_a_caller_is_who_the_key_belongs_to() -> None:
    one, other = new_key(), new_key()
    ring = Keyring({one.id: record_of(one), other.id: record_of(other, "others", models=["text"])}, None)
    caller = ring.caller_of(str(other))
    assert (caller.id, caller.name, caller.models) == (other.id, "others", ("text",))


@pytest.mark.parametrize("change", [
    lambda key: f"{key}0", lambda key: str(key)[:-1], lambda key: str(key).upper(), lambda key: key.secret,
    lambda key: f"jbk_{key.id}_", lambda key: f"jbk_{key.id}", lambda key: "", lambda key: "jbk__",
    lambda key: "é" * 999,
    lambda key: f"jbk_{key.id}_{digest_of(key.secret).hex()}", lambda key: f"jbk_000000000000_{key.secret}",
])  # fmt: skip
def test_what_is_not_the_key_is_refused(change: object) -> None:
    key = new_key()
    ring = Keyring({key.id: record_of(key)}, None)
    assert callable(change)
    assert code_of(ring, change(key)) is Code.UNAUTHENTICATED
    assert code_of(ring, str(key)) is None


def test_an_expired_key_is_refused_and_its_owner_told() -> None:
    key = new_key()
    record = record_of(key, expires=NOW)
    assert code_of(Keyring({key.id: record}, None, now=lambda: NOW - timedelta(seconds=1)), str(key)) is None
    ring = Keyring({key.id: record}, None, now=lambda: NOW)
    with pytest.raises(JubakoError, match="'team' expired at 2030-01-01"):
        ring.caller_of(str(key))
    with pytest.raises(JubakoError, match="not known"):
        ring.caller_of(f"jbk_{key.id}_{'0' * 64}")


def test_a_file_that_changes_is_read_again_and_quotas_go_on_where_they_were(tmp_path: Path) -> None:
    file, time = tmp_path / "keys.toml", Time()
    old, new, fixed = new_key(), new_key(), new_key()
    write_keys(file, {old.id: record_of(old, requests_per_second=1)})
    ring = Keyring({fixed.id: record_of(fixed)}, file, clock=time)
    allowance = ring.caller_of(str(old)).allowance
    assert allowance is not None
    write_keys(file, {old.id: record_of(old, "renamed", requests_per_second=1), new.id: record_of(new)})
    assert code_of(ring, str(new)) is Code.UNAUTHENTICATED, "it is looked at once a second"
    time.now += LOOK_S
    assert code_of(ring, str(new)) is None
    assert ring.caller_of(str(old)).name == "renamed"
    assert ring.caller_of(str(old)).allowance is allowance
    write_keys(file, {})
    time.now += LOOK_S
    assert [code_of(ring, str(key)) for key in (old, new, fixed)] == [Code.UNAUTHENTICATED] * 2 + [None]


def test_a_secret_of_kubernetes_is_followed_through_its_links(tmp_path: Path) -> None:
    """A mounted secret is `keys.toml -> ..data/keys.toml`, and `..data` a link that is swapped."""
    one, other, time = new_key(), new_key(), Time()
    for folder, key in (("first", one), ("second", other)):
        write_keys(tmp_path / folder / "keys.toml", {key.id: record_of(key)})
    data, file = tmp_path / "..data", tmp_path / "keys.toml"
    data.symlink_to("first")
    file.symlink_to("..data/keys.toml")
    ring = Keyring({}, file, clock=time)
    (tmp_path / "swap").symlink_to("second")
    (tmp_path / "swap").replace(data)
    time.now += LOOK_S
    assert [code_of(ring, str(key)) for key in (one, other)] == [Code.UNAUTHENTICATED, None]


@pytest.mark.parametrize("text", ["", "[keys", None], ids=["empty", "broken", "gone"])
def test_a_file_that_breaks_leaves_the_keys_as_they_were_and_is_logged_once(
    text: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, time, key = tmp_path / "keys.toml", Time(), new_key()
    write_keys(file, {key.id: record_of(key)})
    ring = Keyring({}, file, clock=time)
    file.unlink() if text is None else file.write_text(text)
    with caplog.at_level(logging.ERROR, "jubako.keys"):
        for _ in range(3):
            time.now += LOOK_S
            assert code_of(ring, str(key)) is None
    assert [str(file) in record.message for record in caplog.records] == [True]


def test_a_file_that_is_broken_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        Keyring({}, tmp_path / "keys.toml")
