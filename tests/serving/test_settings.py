from pathlib import Path

import pytest
from pydantic import ValidationError

from serving.settings import Settings
from serving.settings_page import render, rows


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('models = ["books"]\n[queue]\nmax_tokens = 10\n[limits]\nmax_inputs = 5\n')
    monkeypatch.setenv("JUBAKO_SETTINGS_FILE", str(file))
    monkeypatch.setenv("JUBAKO_QUEUE__MAX_TOKENS", "20")
    settings = Settings()
    assert (settings.models, settings.queue.max_tokens, settings.limits.max_inputs) == (["books"], 20, 5)
    assert Settings(models=["text"]).models == ["text"]


def test_a_misspelt_setting_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[queue]\nmax_token = 10\n")
    monkeypatch.setenv("JUBAKO_SETTINGS_FILE", str(file))
    with pytest.raises(ValidationError, match="max_token"):
        Settings()


def test_every_setting_is_explained() -> None:
    for variable, _, meaning in rows(Settings):
        assert meaning.endswith((".", "504.")), variable


def test_the_settings_page_is_up_to_date(repository: Path) -> None:
    assert (repository / "docs/settings.md").read_text() == render()
