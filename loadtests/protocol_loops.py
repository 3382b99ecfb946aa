"""What the load process does beside HTTP's closed loop: calls of gRPC, calls of our client, one stream, and lists."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import numpy as np

from jubako.client import AsyncClient
from jubako.errors import ServerError, ServerUnreachable
from loadtests.http_client import Line, Owner
from loadtests.loops import ClosedLoop, Jobs
from loadtests.plan import LOST, NS, Plan, Record
from loadtests.protocol_http2 import Http2Connection
from loadtests.summary import OK
from wire._generated import encoder_pb2 as pb

Mark = Callable[[str], None]
Ask = Callable[[bytes], Awaitable[object]]

UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


class Requests(ClosedLoop):
    """HTTP requests as they were rendered by whoever asks for them."""

    def __init__(self, plan: Plan, mark: Mark, data: list[bytes]) -> None:
        super().__init__(plan, mark)
        self._data = data


class LeanCalls(Requests):
    """N gRPC calls under way over one connection of `protocol_http2`; the next is made when one is answered."""

    def _begin(self) -> None:
        self._connect()

    def _connect(self) -> None:
        self._open += self._plan.connections
        loop = asyncio.get_running_loop()
        connecting = loop.create_connection(lambda: Http2Connection(self, self._plan), self._plan.host, self._plan.port)
        asyncio.ensure_future(connecting).add_done_callback(self._connected)

    def _connected(self, task: "asyncio.Future[tuple[asyncio.Transport, Any]]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._open -= self._plan.connections - 1
        super()._connected(task)


class Caller:
    """A line that awaits one call of a library at a time."""

    def __init__(self, owner: Owner, ask: Ask) -> None:
        self.job = -1
        self.closing = False
        self._owner = owner
        self._ask = ask
        self._task: asyncio.Task[None] | None = None

    def send(self, job: int, data: bytes) -> None:
        """Call; the answer is reported with 200, an HTTP status, or the number of gRPC's."""
        self.job = job
        self._task = asyncio.ensure_future(self._report(data))

    def close(self) -> None:
        """Give up the call under way."""
        self.closing = True
        if self._task is not None:
            self._task.cancel()

    async def _report(self, data: bytes) -> None:
        status = LOST
        try:
            await self._ask(data)
            status = OK
        except grpc.aio.AioRpcError as error:
            status = error.code().value[0]
        except ServerError as error:
            status = error.status
        except ServerUnreachable:
            pass
        finally:
            self._owner.answered(self, status)


class Awaited(Requests):
    """N calls of a library under way; the next is made when one is answered."""

    def __init__(self, plan: Plan, mark: Mark, data: list[bytes], ask: Ask) -> None:
        super().__init__(plan, mark, data)
        self._ask = ask

    def _begin(self) -> None:
        for _ in range(self._plan.connections):
            self._open += 1
            self.opened(Caller(self, self._ask))


class Lists(ClosedLoop):
    """Every request of the plan once, N at a time; the window is open until the last is answered.

    `duration_s` of the plan is the longest that this may take.
    """

    async def run(self) -> Record:
        """Send everything, and return the record."""
        self._all_sent = asyncio.Event()
        begin, cpu = time.perf_counter_ns(), time.process_time()
        self._mark("start")
        self._begin()
        async with asyncio.timeout(self._plan.duration_s):
            await self._all_sent.wait()
        await self._drain()
        end, cpu = time.perf_counter_ns(), time.process_time() - cpu
        self._mark("stop")
        return self._record(begin, end, cpu)

    def _ready(self, line: Line) -> None:
        if len(self._jobs.due_ns) < len(self._data):
            super()._ready(line)
        else:
            self._all_sent.set()


async def calls(plan: Plan, mark: Mark, data: list[bytes]) -> Record:
    """Load the server with raw calls of grpc.aio over one channel: no message is built or parsed meanwhile."""
    async with _channel(plan) as channel:
        return await Awaited(plan, mark, data, channel.unary_unary(plan.path)).run()


async def client_calls(plan: Plan, mark: Mark, data: list[bytes], scheme: str) -> Record:
    """Load the server with `embed` calls of our own client: from the text to the vector as numpy."""
    client = AsyncClient(f"{scheme}://{plan.host}:{plan.port}", retries=0)
    async with client:
        return await Awaited(plan, mark, data, lambda text: client.embed(text.decode())).run()


async def stream(plan: Plan, mark: Mark, data: Sequence[bytes]) -> Record:
    """Send every request of the plan over one stream, as fast as it takes them, and read the answers beside it."""
    jobs = Jobs()
    answers: list[bytes] = []
    async with _channel(plan) as channel:
        await channel.channel_ready()
        begin, cpu = time.perf_counter_ns(), time.process_time()
        mark("start")
        call = channel.stream_stream(plan.path)()

        async def send() -> None:
            for message in data:
                job = jobs.add(time.perf_counter_ns())
                jobs.sent_ns[job] = jobs.due_ns[job]
                await call.write(message)
            await call.done_writing()

        async with asyncio.timeout(plan.duration_s):
            sending = asyncio.ensure_future(send())
            while (answer := await call.read()) is not grpc.aio.EOF:
                jobs.done_ns[len(answers)] = time.perf_counter_ns()
                answers.append(answer)
            await sending
        end, cpu = time.perf_counter_ns(), time.process_time() - cpu
        mark("stop")
    jobs.status[: len(answers)] = [_status(answer) for answer in answers]
    due, sent, done, status = (np.array(column, dtype=np.int64) for column in vars(jobs).values())
    return Record(
        due_ns=due - begin,
        sent_ns=sent - begin,
        done_ns=np.where(done == 0, end, done) - begin,
        status=status,
        request=np.arange(len(due)),
        window_s=(end - begin) / NS,
        client_cpu_s=cpu,
    )


def _status(answer: bytes) -> int:
    """Return 200 where all of a request was answered with vectors."""
    told = pb.EmbedStreamResponse.FromString(answer)
    return OK if told.response.data and all(item.packed for item in told.response.data) else LOST


def _channel(plan: Plan) -> Any:
    return grpc.aio.insecure_channel(f"{plan.host}:{plan.port}", options=UNLIMITED)
