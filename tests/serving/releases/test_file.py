import json
import multiprocessing
from pathlib import Path

import pytest

from serving.releases.errors import ReleaseError
from serving.releases.file import ReleasesFile, releases_file
from serving.releases.plan import Plan, Planned
from serving.settings import Releases, Settings

CHANGES = 25


@pytest.fixture
def file(tmp_path: Path) -> ReleasesFile:
    return ReleasesFile(tmp_path / "jubako" / "releases.json")


def activate(file: ReleasesFile, name: str, version: str) -> Planned:
    return file.change(name, lambda before: before.model_copy(update={"active": version}))


def test_without_a_file_nothing_in_particular_is_wanted(file: ReleasesFile) -> None:
    assert (file.stamp(), file.read()) == (None, Plan())


def test_what_was_changed_is_read_with_who_did_it_and_when(file: ReleasesFile) -> None:
    planned = activate(file, "text", "2")
    assert file.read() == Plan(revision=1, models={"text": planned})
    assert "@" in planned.by
    assert planned.at.year > 2024


def test_every_change_has_a_revision_and_a_stamp_of_its_own(file: ReleasesFile) -> None:
    stamps = set()
    for revision in range(1, 20):
        assert activate(file, "text", "2").revision == revision
        stamps.add(file.stamp())
    assert len(stamps) == 19
    assert [path.name for path in sorted(file.path.parent.iterdir())] == ["releases.json", "releases.json.lock"]


def change_often(path: Path, name: str) -> None:
    for version in range(CHANGES):
        activate(ReleasesFile(path), name, str(version))


def test_commands_at_the_same_time_lose_nobody_s_change(file: ReleasesFile) -> None:
    processes = [
        multiprocessing.get_context("spawn").Process(target=change_often, args=(file.path, name)) for name in "ab"
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    plan = file.read()
    assert plan.revision == 2 * CHANGES
    assert {name: planned.active for name, planned in plan.models.items()} == {"a": "24", "b": "24"}


def test_a_change_that_is_refused_leaves_the_file_alone(file: ReleasesFile) -> None:
    def refuse(before: Planned) -> Planned:
        raise ReleaseError("no")

    activate(file, "text", "2")
    before = file.path.read_bytes()
    with pytest.raises(ReleaseError, match="no"):
        file.change("text", refuse)
    assert file.path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "releases.json: document: Invalid JSON"),
        (json.dumps({"models": {"text": {"activ": "2"}}}), "models.text.activ: Extra inputs"),
        (json.dumps({"models": {"text": {"active": "../../2"}}}), "models.text.active: String should match"),
        (json.dumps({"models": {"text": {"canary": {"version": "2", "percent": 101}}}}), "canary.percent"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_told_with_the_place(file: ReleasesFile, text: str, told: str) -> None:
    file.path.parent.mkdir()
    file.path.write_text(text)
    with pytest.raises(ReleaseError, match=told):
        file.read()
    with pytest.raises(ReleaseError, match="promote again"):
        activate(file, "text", "2")
    assert file.path.read_text() == text


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "jubako").write_text("in the way")
    with pytest.raises(ReleaseError, match="JUBAKO_RELEASES__FILE"):
        activate(ReleasesFile(tmp_path / "jubako" / "releases.json"), "text", "2")


def test_the_file_is_in_bentoml_s_home_or_where_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    assert releases_file(Settings()).path == tmp_path / "jubako" / "releases.json"
    elsewhere = Path("/mnt/shared/releases.json")
    assert releases_file(Settings(releases=Releases(file=elsewhere))).path == elsewhere
