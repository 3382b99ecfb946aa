"""Start and stop of a worker, without a server: the stages, the signals, the listening socket."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import FrameType

import httpx
import pytest

from serving.api.asgi import Answer, Message, Receive, Scope, Send, send_answer
from serving.core import Core
from serving.errors import Code, JubakoError
from serving.settings import Lifecycle as LifecycleSettings
from serving.settings import Settings
from serving.split.runner import ROWS_PATH, RowsEndpoint
from serving.split.shelf import Shelf
from serving.worker import lifecycle
from serving.worker.lifecycle import LINGER_S, Lifecycle
from serving.worker.listening import Listener
from serving.worker.residents import RunnerResident


class Resident:
    """Notes what it is told; its notice ends when it is let go."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.noticed = asyncio.Event()

    async def start(self) -> None:
        self.told.append("start")

    async def give_notice(self) -> None:
        self.told.append("notice")
        await self.noticed.wait()

    async def drain(self, grace_s: float) -> None:
        self.told.append("drain at once" if grace_s == 0 else "drain")


class App:
    """Answers when it is let go, and has a lifespan."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.entered = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.entered.set()
        await self.go.wait()
        await send_answer(send, Answer(b"{}"))


@pytest.fixture
def uvicorn_told() -> Iterator[list[int]]:
    """Signals that reached the handler that was there first."""
    numbers: list[int] = []

    def handle_exit(number: int, frame: FrameType | None) -> None:
        numbers.append(number)

    before = {number: signal.signal(number, handle_exit) for number in lifecycle.SIGNALS}
    yield numbers
    for number, handler in before.items():
        assert signal.getsignal(number) is handle_exit, "the handler is given back"
        signal.signal(number, handler)


@pytest.fixture
def died(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set where the process would have ended by force."""
    event = asyncio.Event()
    monkeypatch.setattr(lifecycle, "_die", event.set)
    monkeypatch.setattr(lifecycle, "LAST_S", 0.1)
    return event


@asynccontextmanager
async def living(app: App, resident: Resident, **settings: float) -> AsyncIterator[httpx.AsyncClient]:
    """A worker between its start and its end."""
    worker = Lifecycle(app, resident, LifecycleSettings(**settings))
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    sent: asyncio.Queue[Message] = asyncio.Queue()
    lifespan = asyncio.create_task(worker({"type": "lifespan"}, inbox.get, sent.put))
    await inbox.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(worker), base_url="http://test") as client:
        yield client
    await inbox.put({"type": "lifespan.shutdown"})
    assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    await lifespan


async def tell_to_stop(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)
    await asyncio.sleep(0.02)


async def test_a_worker_goes_through_its_stages(uvicorn_told: list[int]) -> None:
    app, resident = App(), Resident()
    app.go.set()
    async with living(app, resident) as client:
        assert "connection" not in (await client.get("/")).headers
        await tell_to_stop(signal.SIGINT)
        assert (resident.told, uvicorn_told) == (["start", "notice"], [])
        answer = await client.get("/")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        resident.noticed.set()
        await asyncio.sleep(0.02)
        assert (resident.told[-1], uvicorn_told) == ("drain", [])
        assert (await client.get("/")).status_code == 200, "what the kernel had accepted is answered"
        await asyncio.sleep(LINGER_S)
        assert uvicorn_told == [signal.SIGINT]
    assert resident.told == ["start", "notice", "drain"]


async def test_a_worker_that_is_not_told_to_stop_drains_all_the_same(uvicorn_told: list[int]) -> None:
    resident = Resident()
    async with living(App(), resident):
        pass
    assert (resident.told, uvicorn_told) == (["start", "drain"], [])


async def test_at_the_limit_what_runs_and_what_comes_gets_503(uvicorn_told: list[int], died: asyncio.Event) -> None:
    app, resident = App(), Resident()
    async with living(app, resident, drain_delay_ms=0, drain_limit_ms=100) as client:
        call = asyncio.create_task(client.post("/"))
        await app.entered.wait()
        await tell_to_stop()
        refused = [await call, await client.get("/")]
        told_by_protocol = await client.get("/v2/health/ready")
        await asyncio.wait_for(died.wait(), 1)
    for answer in refused:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
    assert told_by_protocol.status_code == 503
    assert told_by_protocol.json()["error"].startswith("not_ready: ")
    assert resident.told[-1] == "drain at once"


async def test_a_second_signal_ends_it_unless_it_comes_with_the_first(
    uvicorn_told: list[int], died: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "REPEAT_S", 0.1)
    app, resident = App(), Resident()
    async with living(app, resident) as client:
        call = asyncio.create_task(client.post("/"))
        await app.entered.wait()
        await tell_to_stop()
        await tell_to_stop()
        assert not call.done()
        await asyncio.sleep(0.1)
        await tell_to_stop()
        assert (await call).status_code == 503
        await asyncio.wait_for(died.wait(), 1)


async def test_a_runner_stays_while_a_front_is_connected() -> None:
    endpoint = RowsEndpoint(App())
    endpoint.shelf = Shelf(lambda tag: {})
    resident = RunnerResident(endpoint, Settings(lifecycle=LifecycleSettings(drain_delay_ms=0)))
    left, accepted = asyncio.Event(), asyncio.Event()

    async def receive() -> Message:
        if not accepted.is_set():
            return {"type": "websocket.connect"}
        await left.wait()
        return {"type": "websocket.disconnect"}

    async def send(message: Message) -> None:
        accepted.set()

    front = asyncio.create_task(endpoint({"type": "websocket", "path": ROWS_PATH}, receive, send))
    await accepted.wait()
    notice = asyncio.create_task(resident.give_notice())
    await asyncio.sleep(0.02)
    assert not notice.done()
    left.set()
    await asyncio.wait_for(notice, 1)
    await front


async def test_a_core_that_stops_is_not_ready() -> None:
    core = Core({}, Settings())
    await core.check_ready()
    core.stopping = True
    with pytest.raises(JubakoError, match="stopping") as caught:
        await core.check_ready()
    assert (caught.value.code, caught.value.retry_after_s) == (Code.NOT_READY, 1)


def test_the_limit_is_counted_from_the_signal() -> None:
    with pytest.raises(ValueError, match="set it above drain_delay_ms"):
        LifecycleSettings(drain_delay_ms=5000, drain_limit_ms=4000)


SIBLING = """
import socket, sys
from serving.worker.listening import Listener
listener = Listener(socket.socket(fileno=int(sys.argv[1])))
print("accepts", flush=True)
sys.stdin.readline()
print(listener.leave(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen()
        yield made


def test_the_last_worker_to_leave_knows_that_it_is(listening: socket.socket) -> None:
    listener = Listener(listening)
    number = listening.fileno()
    with subprocess.Popen(
        [sys.executable, "-c", SIBLING, str(number)], pass_fds=[number], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as sibling:
        assert sibling.stdin is not None
        assert sibling.stdout is not None
        assert sibling.stdout.readline() == b"accepts\n"
        assert not listener.leave()
        sibling.stdin.write(b"leave\n")
        sibling.stdin.flush()
        assert sibling.stdout.readline() == b"True\n"
        assert not listener.leave()
    assert listener.leave(), "a lock does not outlive its process"


def test_what_was_accepted_can_be_read_and_what_comes_is_refused(listening: socket.socket) -> None:
    listener, address = Listener(listening), listening.getsockname()
    with socket.create_connection(address, 1) as early:
        listener.drop_new()
        with pytest.raises(TimeoutError):
            socket.create_connection(address, 0.2)
        accepted, _ = listening.accept()
        with accepted:
            early.sendall(b"rice")
            assert accepted.recv(4) == b"rice"
        listener.end()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 1)


def test_a_successor_listens_again(listening: socket.socket) -> None:
    first = Listener(listening)
    first.drop_new()
    first.end()
    Listener(listening)
    listening.listen()
    with socket.create_connection(listening.getsockname(), 1):
        pass
