import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from serving.core import Core
from serving.errors import Code, JubakoError
from serving.loading import load_model
from serving.queries import EmbedQuery
from serving.releases.comparing import Agreement
from serving.releases.shadowing import Shadow
from serving.releases.versions import Version
from serving.settings import Settings
from tests.serving.releases.conftest import NotingLoader

WAITING = 4


class Busy:
    """What a shadow looks at of a model."""

    def __init__(self, fullness: float) -> None:
        self.fullness = fullness


@pytest.fixture
def version(loader: NotingLoader) -> Iterator[Version]:
    version = Version(load_model("twin:2", Settings()))
    yield version
    version.model.close()


def counted(outcome: str) -> float:
    labels = {"model": "twin", "version": "2", "outcome": outcome}
    return REGISTRY.get_sample_value("jubako_shadow_requests_total", labels) or 0


def told(measure: str) -> float:
    labels = {"model": "twin", "version": "2", "measure": measure}
    return REGISTRY.get_sample_value("jubako_shadow_agreement_sum", labels) or 0


def answered_by(version: str) -> float:
    labels = {"model": "twin", "version": version}
    return REGISTRY.get_sample_value("jubako_model_seconds_count", labels) or 0


async def agree(other: Version) -> Agreement:
    return Agreement("cosine", 0.75)


async def test_a_copy_is_compared_after_its_offer(version: Version) -> None:
    shadow = Shadow("twin", version, 100, WAITING)
    compared, agreement = counted("compared"), told("cosine")
    quiet: Any = Busy(0)
    shadow.offer(quiet, "a", agree)
    assert counted("compared") == compared
    await asyncio.sleep(0.01)
    assert (counted("compared"), told("cosine")) == (compared + 1, agreement + 0.75)
    shadow.close()


@pytest.mark.parametrize("fullness", [0.51, 1.2])
async def test_copies_are_dropped_while_the_queue_is_more_than_half_full(version: Version, fullness: float) -> None:
    shadow = Shadow("twin", version, 100, WAITING)
    dropped = counted("dropped")
    busy: Any = Busy(fullness)
    shadow.offer(busy, "a", agree)
    assert counted("dropped") == dropped + 1
    shadow.close()


async def test_few_copies_wait_and_one_runs_at_a_time(version: Version) -> None:
    shadow = Shadow("twin", version, 100, WAITING)
    running = most = 0
    go_on = asyncio.Event()

    async def slow(other: Version) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1

    dropped, incomparable = counted("dropped"), counted("incomparable")
    quiet: Any = Busy(0)
    for _ in range(WAITING + 3):
        shadow.offer(quiet, "a", slow)
    assert counted("dropped") == dropped + 3
    go_on.set()
    await asyncio.sleep(0.01)
    assert (most, counted("incomparable")) == (1, incomparable + WAITING)
    shadow.close()


async def test_a_copy_that_fails_is_counted_and_the_next_one_runs(version: Version) -> None:
    async def fail(other: Version) -> None:
        raise JubakoError(Code.OVERLOADED, "full")

    async def break_down(other: Version) -> None:
        raise ValueError("a bug")

    shadow = Shadow("twin", version, 100, WAITING)
    failed, compared = counted("failed"), counted("compared")
    quiet: Any = Busy(0)
    for copy in (fail, break_down, agree):
        shadow.offer(quiet, "a", copy)
    await asyncio.sleep(0.05)
    assert (counted("failed"), counted("compared")) == (failed + 2, compared + 1)
    shadow.close()


async def test_a_shadow_that_is_closed_lets_go_of_its_version(version: Version) -> None:
    async def hang(other: Version) -> None:
        await asyncio.Event().wait()

    shadow = Shadow("twin", version, 100, WAITING)
    quiet: Any = Busy(0)
    shadow.offer(quiet, "a", hang)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert version.users == 1
    shadow.close()
    await asyncio.wait_for(version.idle.wait(), 1)


async def test_a_shadow_changes_no_answer(version: Version) -> None:
    core = Core({"twin": load_model("twin:1", Settings())}, Settings())
    release = core.releases["twin"]
    texts = EmbedQuery(["hello world", "rice", 7])
    before = (await core.embed(texts)).result
    release.shadow = Shadow("twin", version, 100, WAITING)
    compared, traffic = counted("compared"), answered_by("2")
    answer = await core.embed(texts)
    assert answer.model.manifest.version == "1"
    for ours, theirs in zip(before.outputs[:2], answer.result.outputs[:2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    async with asyncio.timeout(5):
        while counted("compared") == compared:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert answered_by("2") == traffic, "a copy is no traffic"
    release.shadow.close()
    core.close()
