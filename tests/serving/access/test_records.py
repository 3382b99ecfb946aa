from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access.records import Endpoint, KeyFileError, KeyRecord, read_keys, write_keys

DIGEST = "0" * 64
RECORDS = st.builds(
    KeyRecord,
    name=st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}\Z"),
    digest=st.from_regex(r"\A[0-9a-f]{64}\Z"),
    endpoints=st.frozensets(st.sampled_from(Endpoint), min_size=1),
    models=st.lists(st.from_regex(r"\A[A-Za-z0-9._*?-]{1,20}\Z"), min_size=1, max_size=3).map(tuple),
    requests_per_second=st.floats(0, 1e6, allow_subnormal=False),
    burst=st.integers(0, 10**6),
    tokens_per_minute=st.integers(0, 10**12),
    tokens_per_day=st.integers(0, 10**12),
    created=st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    expires=st.none(),
)


@given(st.dictionaries(st.from_regex(r"\A[0-9a-f]{12}\Z"), RECORDS, max_size=3))
def test_a_file_holds_what_was_written(tmp_path_factory: pytest.TempPathFactory, records: dict[str, KeyRecord]) -> None:
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    write_keys(file, records)
    whole = {
        key_id: record.model_copy(update={"created": record.created and record.created.replace(microsecond=0)})
        for key_id, record in records.items()
    }
    assert read_keys(file) == whole


def test_only_its_owner_may_read_the_file_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "new" / "keys.toml"
    write_keys(file, {})
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["keys.toml"]


BROKEN = {
    "nothing": ("", "has to hold"),
    "no TOML": ("[keys", "not valid TOML"),
    "bytes that are no text": ("\udcff", "not valid TOML"),
    "something else": ("[key]\n", "has to hold"),
    "no table": ("keys = 3\n", "keys: "),
    "an id that is none": (f'[keys.abc]\nname = "a"\ndigest = "{DIGEST}"\n', "keys.abc"),
    "no digest": ('[keys.0123456789ab]\nname = "a"\n', "keys.0123456789ab.digest"),
    "a secret in its place": ('[keys.0123456789ab]\nname = "a"\ndigest = "jbk_1"\n', "digest"),
    "an endpoint that is none": (
        f'[keys.0123456789ab]\nname = "a"\ndigest = "{DIGEST}"\nendpoints = ["embedd"]\n', "endpoints"
    ),
    "a misspelt quota": (f'[keys.0123456789ab]\nname = "a"\ndigest = "{DIGEST}"\ntoken_per_day = 1\n', "token_per_day"),
    "a time without a zone": (
        f'[keys.0123456789ab]\nname = "a"\ndigest = "{DIGEST}"\nexpires = 2030-01-01T00:00:00\n', "expires"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BROKEN.values(), ids=list(BROKEN))
def test_a_file_that_is_broken_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(KeyFileError, match=told) as caught:
        read_keys(file)
    assert str(file) in str(caught.value)
    assert "jbk_1" not in str(caught.value), "what may be a secret is not repeated"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        read_keys(tmp_path / "keys.toml")
    (tmp_path / "file").touch()
    with pytest.raises(KeyFileError, match="cannot be written"):
        write_keys(tmp_path / "file" / "keys.toml", {})


def test_a_key_expires_at_its_time() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    record = KeyRecord(name="a", digest=DIGEST, expires=now)
    assert record.has_expired(now)
    assert not record.has_expired(now - timedelta(seconds=1))
    assert not KeyRecord(name="a", digest=DIGEST).has_expired(now)
