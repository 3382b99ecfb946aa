import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.errors import BundleError
from bundle.store import find, save
from serving.releases.plan import Plan, Planned
from serving.releases.starting import first_sound, plan_at_start, start_all
from serving.settings import Settings
from tests.tiny import build_tiny_bundle

pytestmark = pytest.mark.usefixtures("stored_versions")


def wanting(**wanted: object) -> Plan:
    return Plan(models={"twin": Planned.model_validate(wanted)})


def tag_of(tag: str) -> str:
    return find(tag).tag


def failing(*bad: str) -> Callable[[str], str]:
    def load(tag: str) -> str:
        if tag in bad:
            raise BundleError(f"{tag} is rotten")
        return tag_of(tag)

    return load


def test_without_a_plan_a_server_starts_as_its_settings_say() -> None:
    assert first_sound("twin:2", Plan(), tag_of).loaded == "twin:2"
    assert first_sound("twin:2", wanting(previous=None), tag_of).refused == {}


def test_the_plan_s_active_version_goes_before_the_settings() -> None:
    started = first_sound("twin:3", wanting(active="1", previous="2"), tag_of)
    assert (started.tag, started.loaded, started.refused) == ("twin:1", "twin:1", {})


def test_the_version_before_stands_in_for_one_that_is_missing() -> None:
    started = first_sound("twin", wanting(active="gone", previous="2"), tag_of)
    assert started.loaded == "twin:2"
    assert list(started.refused) == ["gone"]
    assert "no bundle 'twin:gone'" in started.refused["gone"]


def test_the_settings_stand_in_where_neither_can_be_served() -> None:
    started = first_sound("twin:3", wanting(active="1", previous="2"), failing("twin:1", "twin:2"))
    assert (started.loaded, started.refused) == ("twin:3", {"1": "twin:1 is rotten", "2": "twin:2 is rotten"})


def test_a_server_that_can_serve_none_tells_the_first_reason() -> None:
    with pytest.raises(BundleError, match="twin:1 is rotten"):
        first_sound("twin:3", wanting(active="1", previous="2"), failing("twin:1", "twin:2", "twin:3"))


def test_a_version_is_not_taken_for_one_that_begins_alike(tmp_path: Path) -> None:
    save(build_tiny_bundle(tmp_path / "long", name="lone", version="20260101"))
    assert find("lone:2026").tag == "lone:20260101"
    with pytest.raises(BundleError, match="no bundle 'lone:2026' in the model store; the nearest is lone:20260101"):
        first_sound("lone:2027", Plan(models={"lone": Planned(active="2026")}), tag_of)


def test_a_plan_that_cannot_be_read_is_told_and_left_alone(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "releases.json").write_text("[]")
    assert plan_at_start(Settings()) == Plan()
    assert "starting without it" in caplog.text


def test_models_start_side_by_side_in_their_order() -> None:
    together = threading.Barrier(2, timeout=5)

    def load(tag: str) -> str:
        together.wait()
        return tag.upper()

    assert [one.loaded for one in start_all(["twin:2", "twin:3"], Plan(), load)] == ["TWIN:2", "TWIN:3"]
