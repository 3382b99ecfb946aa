import logging
from types import SimpleNamespace
from typing import Any

import pytest

from bundle.errors import BundleError
from serving import selection
from serving.selection import served_tags, stored_tags
from serving.settings import Settings


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names that are in the store; empty at first."""
    names: set[str] = set()
    monkeypatch.setattr(selection, "is_stored", names.__contains__)
    return names


def bento_of(*tags: str) -> Any:
    models = [SimpleNamespace(tag=Tag(tag)) for tag in tags]
    return SimpleNamespace(info=SimpleNamespace(all_models=models))


class Tag(str):
    @property
    def name(self) -> str:
        return self.split(":")[0]


def test_of_the_default_what_is_stored_is_served_and_the_rest_told(
    stored: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    stored |= {"papers", "text"}
    with caplog.at_level(logging.WARNING, logger="jubako.selection"):
        assert served_tags(Settings(), None) == ["text", "papers"]
    assert "not served: genres" in caplog.text


def test_nothing_is_told_where_all_is_there(stored: set[str], caplog: pytest.LogCaptureFixture) -> None:
    stored |= {"papers", "text", "genres", "works", "books"}
    assert served_tags(Settings(), None) == ["text", "genres", "papers", "books", "works"]
    assert not caplog.text


def test_an_empty_store_is_an_error_that_says_what_to_run(stored: set[str]) -> None:
    with pytest.raises(BundleError, match=r"make serve.*jubako export text"):
        served_tags(Settings(), None)


@pytest.mark.parametrize("models", [["books"], ["text", "genres", "papers", "books", "works"]])
def test_names_that_are_set_are_served_or_nothing_is(stored: set[str], models: list[str]) -> None:
    assert served_tags(Settings(models=models), None) == models


def test_a_variable_of_the_environment_sets_them(stored: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUBAKO_MODELS", '["books"]')
    assert served_tags(Settings(), None) == ["books"]


def test_a_bento_serves_what_it_was_built_with_in_the_default_s_order(stored: set[str]) -> None:
    stored |= {"papers", "text", "genres"}
    built = bento_of("mine:9", "genres:8", "text:7")
    assert served_tags(Settings(), built) == ["text:7", "genres:8", "mine:9"]
    assert served_tags(Settings(models=["genres", "tiny"]), built) == ["genres:8", "tiny"]


def test_a_bento_carries_what_is_stored(stored: set[str]) -> None:
    stored |= {"papers", "text"}
    assert stored_tags(Settings()) == ["text", "papers"]
    assert stored_tags(Settings(models=["books", "papers"])) == ["papers"]
