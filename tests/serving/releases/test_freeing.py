"""Every kind of model is swapped, and what the old version held is gone: objects, sessions, memory maps."""

import asyncio
import gc
import shutil
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

from bundle.bundle import Bundle, seal
from bundle.store import save
from serving.core import Core
from serving.loading import load_model
from serving.queries import ClassifyQuery, EmbedQuery, RecommendQuery
from serving.recommender.answers import Asked
from serving.releases.loaders import LocalLoader
from serving.releases.plan import Plan, Planned
from serving.releases.reconciling import Reconciler
from serving.settings import Settings

ASK: dict[str, Any] = {
    "tiny": lambda core: core.embed(EmbedQuery(["hello world"])),
    "tales": lambda core: core.classify(ClassifyQuery(["a dragon"])),
    "exported_books": lambda core: core.recommend(RecommendQuery(Asked(k=3))),
}


def twice_in_store(bundle: Bundle, folder: Path) -> str:
    """Store two versions of a bundle under a name of their own, and return that."""
    name = f"twice-{bundle.manifest.name}"
    for version in ("1", "2"):
        root = folder / version
        shutil.copytree(bundle.root, root, ignore=shutil.ignore_patterns("model.yaml"))
        save(seal(root, bundle.manifest.model_copy(update={"name": name, "version": version})))
    return name


@pytest.mark.parametrize("kind", ASK)
async def test_a_version_that_was_replaced_is_gone(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    name = twice_in_store(request.getfixturevalue(kind), tmp_path)
    loader = LocalLoader(lambda tag: load_model(tag, Settings()))
    core = Core({name: load_model(f"{name}:1", Settings())}, Settings())
    release = core.releases[name]
    reconciler = Reconciler(core.releases, loader, core.settings)
    ask = ASK[kind]
    assert (await ask(core)).model.manifest.version == "1"
    gone = weakref.ref(release.active.model)
    gc.collect()
    gc.disable()
    try:
        await reconciler.reconcile(Plan(models={name: Planned(active="2", revision=1)}))
        async with asyncio.timeout(10):
            while "1" in release.loaded or gone() is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        gc.enable()
    assert (await ask(core)).model.manifest.version == "2"
    if sys.platform == "linux":
        assert f"{name}/1/" not in Path("/proc/self/maps").read_text()
    core.close()
    loader.close()
