import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bundle.errors import BundleError
from bundle.manifest import Task
from serving.core import Core
from serving.errors import JubakoError
from serving.loading import load_model
from serving.queries import ClassifyQuery, EmbedQuery
from serving.releases.file import ReleasesFile
from serving.releases.plan import Plan, Planned, Share
from serving.releases.reconciling import Reconciler
from serving.releases.versions import Release
from serving.releases.watching import plans
from serving.settings import Settings
from tests.serving.releases.conftest import NotingLoader

QUERY = EmbedQuery(["hello world"])
LONG = EmbedQuery(["hello world"] * 2000)


@pytest.fixture
def core(loader: NotingLoader) -> Iterator[Core]:
    """Version 1 is served."""
    core = Core({"twin": load_model("twin:1", Settings())}, Settings())
    yield core
    core.close()


@pytest.fixture
def release(core: Core) -> Release:
    return core.releases["twin"]


@pytest.fixture
def reconciler(core: Core, loader: NotingLoader) -> Reconciler:
    return Reconciler(core.releases, loader, core.settings)


def plan(revision: int = 1, **wanted: object) -> Plan:
    planned = Planned.model_validate({"revision": revision, **wanted})
    return Plan(revision=revision, models={"twin": planned})


def share(version: str, percent: float = 100) -> Share:
    return Share(version=version, percent=percent)


async def answered_by(core: Core, query: EmbedQuery = QUERY) -> str:
    return (await core.embed(query)).model.manifest.version


async def until_only(release: Release, *versions: str) -> None:
    async with asyncio.timeout(10):
        while sorted(release.loaded) != sorted(versions):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_promoted_version_answers_and_the_old_one_is_freed(
    core: Core, release: Release, reconciler: Reconciler, loader: NotingLoader
) -> None:
    await reconciler.reconcile(plan(active="2", previous="1"))
    assert await answered_by(core) == "2"
    await until_only(release, "2")
    status = release.status()
    assert (status["active"], status["previous"], status["revision"], status["refused"]) == ("2", "1", 1, None)
    assert (loader.tags, loader.freed) == (["twin:2"], ["1"])


async def test_a_request_ends_on_the_version_that_it_began_on(
    core: Core, release: Release, reconciler: Reconciler, loader: NotingLoader
) -> None:
    call = asyncio.create_task(answered_by(core, LONG))
    await asyncio.sleep(0)
    old = release.active
    assert old.users == 1
    await reconciler.reconcile(plan(active="2"))
    if not call.done():
        assert release.loaded.keys() == {"1", "2"}
    assert await call == "1"
    await until_only(release, "2")


async def test_a_version_that_is_wanted_again_before_it_is_freed_stays(
    core: Core, release: Release, reconciler: Reconciler, loader: NotingLoader
) -> None:
    with release.active.held():
        await reconciler.reconcile(plan(1, active="2"))
        await reconciler.reconcile(plan(2, active="1"))
    await until_only(release, "1")
    assert (loader.tags, loader.freed) == (["twin:2"], ["2"])
    assert await answered_by(core) == "1"


@pytest.mark.parametrize("error", [BundleError("altered since export"), RuntimeError("out of memory")])
async def test_a_version_that_fails_is_refused_and_not_tried_again_until_its_entry_changes(
    core: Core, release: Release, reconciler: Reconciler, loader: NotingLoader, error: Exception
) -> None:
    loader.broken["twin:2"] = error
    for _ in range(3):
        await reconciler.reconcile(plan(7, active="2", previous="1"))
    refused = release.status()["refused"]
    assert isinstance(refused, dict)
    assert (refused["version"], refused["revision"]) == ("2", 7)
    assert str(error) in refused["reason"]
    assert await answered_by(core) == "1"
    assert loader.tags == ["twin:2"]
    del loader.broken["twin:2"]
    await reconciler.reconcile(plan(8, active="2", previous="1"))
    assert await answered_by(core) == "2"


async def test_the_beginning_of_a_version_is_not_that_version(
    core: Core, release: Release, reconciler: Reconciler
) -> None:
    await reconciler.reconcile(plan(active="9"))
    assert "no bundle 'twin:9'" in str(release.status()["refused"])
    assert await answered_by(core) == "1"


async def test_a_model_that_cannot_do_what_callers_need_is_refused(
    core: Core, release: Release, reconciler: Reconciler, loader: NotingLoader
) -> None:
    release.active.model.manifest = release.active.model.manifest.model_copy(update={"tasks": [Task.CLASSIFY]})
    await reconciler.reconcile(plan(active="2"))
    assert "cannot classify" in str(release.status()["refused"])
    assert loader.freed == ["2"]


async def test_a_canary_answers_its_share_and_can_be_asked_for_by_name(
    core: Core, release: Release, reconciler: Reconciler
) -> None:
    await reconciler.reconcile(plan(1, canary=share("2", 10)))
    answers = [await answered_by(core) for _ in range(2000)]
    assert abs(answers.count("2") / 2000 - 0.1) < 0.02
    for version in ("1", "2"):
        assert await answered_by(core, EmbedQuery(["hello"], model=f"twin:{version}")) == version
    with pytest.raises(JubakoError, match="not loaded in version '3'; loaded: 1, 2"):
        await core.embed(EmbedQuery(["hello"], model="twin:3"))
    await reconciler.reconcile(plan(2))
    await until_only(release, "1")


async def test_a_person_sees_one_version(core: Core, release: Release, reconciler: Reconciler) -> None:
    await reconciler.reconcile(plan(canary=share("2", 50)))
    for user in range(50):
        people = [release.pick(f"user {user}").name for _ in range(3)]
        assert len(set(people)) == 1
    await reconciler.reconcile(plan(2))


async def test_labels_of_the_caller_s_own_are_scored_by_the_version_that_answers(
    core: Core, reconciler: Reconciler
) -> None:
    query = ClassifyQuery(["rice"], candidate_labels=["food", "servers"])
    before = await core.classify(query)
    await reconciler.reconcile(plan(active="2"))
    after = await core.classify(query)
    assert (before.model.manifest.version, after.model.manifest.version) == ("1", "2")
    assert before.classified.scores.tolist() != after.classified.scores.tolist()


async def test_a_model_that_is_not_served_is_told(
    reconciler: Reconciler, loader: NotingLoader, caplog: pytest.LogCaptureFixture
) -> None:
    await reconciler.reconcile(Plan(models={"bookz": Planned(active="1")}))
    assert "bookz, which is not served here; served: twin" in caplog.text
    assert loader.tags == []


async def test_what_a_runner_cannot_compute_gives_way_to_the_version_before(
    core: Core, release: Release, reconciler: Reconciler, loader: NotingLoader
) -> None:
    loader.broken["twin:1"] = BundleError("a runner refuses it")

    async def once() -> AsyncIterator[Plan]:
        yield plan(3, active="1", previous="2")

    await reconciler.follow(once())
    assert await answered_by(core) == "2"
    refused = release.status()["refused"]
    assert isinstance(refused, dict)
    assert (refused["version"], refused["revision"]) == ("1", 3)


async def test_a_file_that_changes_is_followed_and_one_that_breaks_is_passed_over(
    core: Core, release: Release, reconciler: Reconciler, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = ReleasesFile(folder / "releases.json")
    following = asyncio.create_task(reconciler.follow(plans(file, 0.02)))
    file.change("twin", lambda before: before.model_copy(update={"active": "2"}))
    await until_only(release, "2")
    whole = file.path.read_text()
    file.path.write_text("{")
    await asyncio.sleep(0.1)
    assert "what is served stays as it is" in caplog.text
    file.path.write_text(whole.replace('"active": "2"', '"active": "3"'))
    await until_only(release, "3")
    assert not following.done()
    following.cancel()


async def test_what_is_freed_waits_for_no_garbage_collection(
    core: Core, release: Release, reconciler: Reconciler
) -> None:
    await answered_by(core)
    gone = weakref.ref(release.active.model)
    gc.collect()
    gc.disable()
    try:
        await reconciler.reconcile(plan(active="2"))
        await until_only(release, "2")
        await asyncio.sleep(0.05)
        assert gone() is None
    finally:
        gc.enable()
