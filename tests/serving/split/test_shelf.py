import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from bundle.errors import BundleError
from features.rows import FeatureRow
from serving.errors import Code, JubakoError
from serving.rows import Finished
from serving.scheduler import Backend
from serving.split.shelf import Backends, Shelf


class Idle:
    """An encoder that computes nothing and can be closed."""

    last_success = 0.0
    fullness = 0.0

    def __init__(self) -> None:
        self.closed = threading.Event()

    def refuse_if_full(self) -> None:
        raise NotImplementedError

    async def run(self, rows: Sequence[FeatureRow], deadline: float) -> Finished:
        raise NotImplementedError

    def close(self) -> None:
        self.closed.set()


class Store:
    """Gives every tag two encoders, once `gate` is set; notes which were loaded."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, tag: str) -> Backends:
        assert self.gate.wait(5)
        self.loaded.append(tag)
        if "bad" in tag:
            raise BundleError(f"{tag} is rotten")
        if "worse" in tag:
            raise MemoryError
        return {tag: Idle(), f"{tag}/user": Idle()}


async def gone(backend: Backend) -> None:
    idle: Any = backend
    assert await asyncio.to_thread(idle.closed.wait, 2)


async def test_what_a_front_holds_is_loaded_once_and_found_by_name() -> None:
    store = Store()
    shelf = Shelf(store)
    refused = await asyncio.gather(shelf.hold("a", ["text:1"]), shelf.hold("b", ["text:1"]))
    assert not any(refused)
    assert store.loaded == ["text:1"]
    assert await shelf.backend("text:1/user") is not await shelf.backend("text:1")


async def test_a_version_is_freed_when_the_last_front_that_holds_it_does_no_longer() -> None:
    shelf = Shelf(Store())
    await shelf.hold("a", ["text:1", "text:2"])
    await shelf.hold("b", ["text:1"])
    one, two = await shelf.backend("text:1"), await shelf.backend("text:2")
    await shelf.hold("a", ["text:1"])
    await gone(two)
    await shelf.hold("a", [])
    assert await shelf.backend("text:1") is one
    await shelf.hold("b", ["text:3"])
    await gone(one)
    with pytest.raises(JubakoError, match="text:1 is not loaded") as caught:
        await shelf.backend("text:1")
    assert (caught.value.code, caught.value.retry_after_s) == (Code.NOT_READY, 1)


async def test_everything_stays_while_no_front_is_connected() -> None:
    store = Store()
    shelf = Shelf(store, [store("text:1")])
    before = await shelf.backend("text:1")
    await shelf.hold("a", ["text:1", "text:2"])
    shelf.leave("a")
    assert await shelf.backend("text:1") is before
    await shelf.hold("b", ["text:2"])
    await gone(before)
    assert store.loaded == ["text:1", "text:2"]


@pytest.mark.parametrize(("tag", "reason"), [("text:bad", "is rotten"), ("text:worse", "MemoryError")])
async def test_what_cannot_be_loaded_is_told_and_may_be_tried_again(tag: str, reason: str) -> None:
    store = Store()
    shelf = Shelf(store)
    for attempt in (1, 2):
        refused = await shelf.hold("a", ["text:1", tag])
        assert list(refused) == [tag]
        assert reason in refused[tag]
        assert store.loaded.count(tag) == attempt
    assert await shelf.backend("text:1")


async def test_a_request_waits_for_a_version_that_is_being_loaded() -> None:
    store = Store()
    store.gate.clear()
    shelf = Shelf(store)
    holding = asyncio.create_task(shelf.hold("a", ["text:1"]))
    await asyncio.sleep(0)
    asking = asyncio.create_task(shelf.backend("text:1"))
    await asyncio.sleep(0.02)
    assert not asking.done()
    store.gate.set()
    assert await holding == {}
    assert await asking


async def test_a_version_whose_front_left_while_it_was_loaded_is_not_kept() -> None:
    store = Store()
    store.gate.clear()
    shelf = Shelf(store)
    await shelf.hold("b", [])
    holding = asyncio.create_task(shelf.hold("a", ["text:1"]))
    await asyncio.sleep(0.01)
    holding.cancel()
    shelf.leave("a")
    store.gate.set()
    async with asyncio.timeout(2):
        while not store.loaded:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.02)
    with pytest.raises(JubakoError):
        await shelf.backend("text:1")
