"""`jubako keys`, and the commands of docs/security.md."""

import re
import shlex
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jubako.cli import app
from jubako.key_commands import lifetime
from serving.access.keyring import Keyring
from serving.access.keys import parse_key
from serving.access.records import KeyFileError, read_keys
from serving.settings import Settings


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["keys", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == status, result.output
    return result.stdout


def test_a_key_that_is_made_is_good_and_is_in_no_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    key = run("create", "shop", "--endpoints", "embed, recommend", "--models", "text,books*", "--requests-per-second",
              "50", "--tokens-per-minute", "100000", "--expires", "90d", "--file", str(file)).strip()  # fmt: skip
    other = run("create", "other", "--file", str(file)).strip()
    assert parse_key(key).secret not in file.read_text()
    ring = Keyring({}, file)
    caller = ring.caller_of(key)
    assert (caller.name, caller.models, sorted(caller.endpoints)) == (
        "shop",
        ("text", "books*"),
        ["embed", "recommend"],
    )
    assert "metrics" not in ring.caller_of(other).endpoints
    record = read_keys(file)[parse_key(key).id]
    assert (record.requests_per_second, record.tokens_per_minute) == (50, 100_000)
    assert record.expires is not None
    assert record.created is not None
    assert record.expires - record.created == timedelta(days=90)


def test_keys_are_listed_without_secrets_and_revoked_by_name_or_id(tmp_path: Path) -> None:
    file = str(tmp_path / "keys.toml")
    keys = [run("create", name, "--file", file).strip() for name in ("one", "two", "two")]
    listed = run("list", "--file", file)
    for key in keys:
        assert parse_key(key).id in listed
        assert parse_key(key).secret not in listed
    assert "2 keys called 'two'" in run("revoke", "two", "--file", file, status=1)
    assert "no key called 'three'" in run("revoke", "three", "--file", file, status=1)
    run("revoke", parse_key(keys[1]).id, "--file", file)
    run("revoke", "one", "--file", file)
    assert list(read_keys(Path(file))) == [parse_key(keys[2]).id]


def test_without_a_file_the_settings_can_take_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = CliRunner().invoke(app, ["keys", "create", "me"])
    key = parse_key(made.stdout.strip())
    file = tmp_path / "jubako.toml"
    file.write_text(made.stderr.partition("jubako.toml:")[2])
    monkeypatch.setenv("JUBAKO_SETTINGS_FILE", str(file))
    keys = Settings().access.keys
    assert Keyring(keys, None).caller_of(str(key)).name == "me"
    monkeypatch.setenv("JUBAKO_SETTINGS_FILE", "none.toml")
    monkeypatch.setenv("JUBAKO_ACCESS__KEYS", f'{{"{key.id}": {keys[key.id].model_dump_json()}}}')
    assert Keyring(Settings().access.keys, None).caller_of(str(key)).name == "me"


@pytest.mark.parametrize(("arguments", "told"), [
    (["--endpoints", "embedd"], "endpoints: Input should be 'embed'"), (["--models", "../x"], "models: "),
    (["--endpoints", ""], "endpoints: "), (["--expires", "3y"], "write 90d"), (["--expires", "0d"], "write 90d"),
    (["--tokens-per-day", "-1"], "tokens-per-day: "), (["--requests-per-second", "nan"], "requests-per-second: "),
])  # fmt: skip
def test_what_cannot_be_is_told_in_one_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    file = tmp_path / "keys.toml"
    assert told in run("create", "shop", *arguments, "--file", str(file), status=1)
    assert not file.exists()


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "jubako.toml"
    file.write_text('models = ["text"]\n')
    assert "has to hold [keys]" in run("create", "shop", "--file", str(file), status=1)
    assert file.read_text() == 'models = ["text"]\n'


@pytest.mark.parametrize(("text", "days"), [("90d", 90.0), ("12h", 0.5), ("36m", 0.025), ("4w", 28.0)])
def test_a_lifetime_has_a_unit(text: str, days: float) -> None:
    assert lifetime(text) == timedelta(days=days)
    with pytest.raises(KeyFileError):
        lifetime(text[:-1])


def test_the_commands_of_the_page_run_and_its_file_is_one(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (repository / "docs/security.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("jubako keys ")]
    assert len(lines) == 4
    for line in lines:
        run(*shlex.split(line)[2:])
    assert [record.name for record in read_keys(tmp_path / "keys.toml").values()] == ["reports"]
    [shown] = re.findall(r"^```toml\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    (tmp_path / "shown.toml").write_text(shown)
    assert [record.name for record in read_keys(tmp_path / "shown.toml").values()] == ["shop"]
    assert tomllib.loads(shown)["keys"]


def test_every_link_of_the_page_leads_somewhere(repository: Path) -> None:
    page = (repository / "docs/security.md").read_text()
    for path in re.findall(r"`(tests/[\w/.]+)`", page):
        assert (repository / path).exists(), path


def test_commands_on_keys_load_no_server(repository: Path) -> None:
    script = "import jubako.key_commands, sys; assert not {'bentoml', 'onnxruntime', 'uvicorn'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=repository)
    assert done.returncode == 0, done.stderr
