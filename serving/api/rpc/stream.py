"""EmbedStream: the requests of one stream side by side, their answers in order."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import replace
from time import monotonic
from typing import Any

from serving.access.caller import again
from serving.api.embed import embed_query
from serving.api.rpc.call import LEAST_MS, Call
from serving.api.rpc.reading import embed_body
from serving.api.rpc.standing import RETRY_S, Standing
from serving.api.rpc.status import internal_error, rich_status
from serving.api.rpc.window import Patience, Window
from serving.api.rpc.writing import fill_embed
from serving.errors import Code, JubakoError
from serving.queries import EmbedAnswer
from serving.settings import Settings
from wire._generated import encoder_pb2 as pb

logger = logging.getLogger("jubako.rpc")

BYTES_PER_ROW = 4096
"""A larger request takes the room of more rows, so that a stream holds some 16 MiB at most, however it is cut."""


class EmbedStream:
    """One stream. It reads on only while its window has room, and leaves nothing behind when it is cancelled."""

    def __init__(self, call: Call[pb.EmbedStreamRequest], standing: Standing, settings: Settings) -> None:
        self._call = call
        self._standing = standing
        self._deadline_ms = settings.limits.deadline_ms
        self._window = Window(settings.grpc.max_stream_rows, settings.grpc.stream_wait_ms / 1e3)
        self._patience = Patience()
        self._options = pb.EmbedOptions()
        self._answers: asyncio.Queue[tuple[asyncio.Task[pb.EmbedStreamResponse], int] | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Answer until the client has no more requests.

        Raises:
            JubakoError: `malformed` for a message that is none, `not_ready` when the server stops; both after the
                answers to what came before.
        """
        reader = self._begin(self._read_until_closing())
        reader.add_done_callback(lambda _: self._answers.put_nowait(None))
        try:
            while (next_one := await self._answers.get()) is not None:
                answer, room = next_one
                await self._call.write(await answer)
                self._window.leave(room)
            await reader  # for its error
        finally:
            for task in self._tasks:
                task.cancel()

    async def _read_until_closing(self) -> None:
        reading = self._begin(self._read())
        closing = self._begin(self._standing.closing.wait())
        await asyncio.wait({reading, closing}, return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        if not reading.done():
            reading.cancel()
            raise JubakoError(
                Code.NOT_READY, "the server is stopping; send the rest to another one", retry_after_s=RETRY_S
            )
        await reading

    async def _read(self) -> None:
        while (request := await self._call.read()) is not None:
            if request.HasField("options"):
                self._options = request.options
            rows = max(len(request.inputs), 1)
            room = max(rows, request.ByteSize() // BYTES_PER_ROW)
            await self._window.enter(room)
            answer = self._begin(self._answer(request, self._options, rows))
            self._answers.put_nowait((answer, room))

    async def _answer(
        self, request: pb.EmbedStreamRequest, options: pb.EmbedOptions, rows: int
    ) -> pb.EmbedStreamResponse:
        """Return the answer to one request; its error is told in its place."""
        begin = monotonic()
        deadline = begin + self._call.timeout_ms(self._deadline_ms) / 1e3
        told = pb.EmbedStreamResponse()
        try:
            again()
            query = embed_query(embed_body(request, options))
            core = self._standing.core

            async def ask() -> EmbedAnswer:
                left_ms = max((deadline - monotonic()) * 1e3, LEAST_MS)
                return await core.embed(replace(query, timeout_ms=left_ms))

            answer = await self._patience.ask(ask, rows, deadline)
            fill_embed(told.response, answer, query.form)
            self._window.answered(rows, monotonic() - begin)
        except JubakoError as error:
            told.error.CopyFrom(rich_status(error))
        except Exception:
            logger.exception("a request of stream %s failed", self._call.request_id)
            told.error.CopyFrom(rich_status(internal_error()))
        return told

    def _begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
