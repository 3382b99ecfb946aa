"""What the check of a key costs a request: `python -m loadtests.key_check`. Takes a few seconds on one core.

The gate alone, and the front around an empty list of models with and without keys, so that what is around the check
counts as well. The network and uvicorn are left out; they cost the same either way.
"""

import asyncio
import statistics
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from loadtests.machine import describe_machine, describe_versions
from loadtests.report import table
from serving.access.gate import Gate
from serving.access.keyring import Keyring
from serving.access.keys import Key, digest_of, new_key
from serving.access.records import Endpoint, KeyRecord, Records, write_keys
from serving.api.asgi import Headers, Message, Scope
from serving.api.front import Front
from serving.core import Core
from serving.errors import JubakoError
from serving.settings import Settings

CALLS, ROUNDS = 5000, 9
EMBED = frozenset({Endpoint.EMBED})
BROWSER: Headers = [(b"host", b"localhost"), (b"accept", b"*/*"), (b"accept-encoding", b"gzip"), (b"user-agent", b"a")]


def records(keys: int, own: Key) -> Records:
    """Return as many keys, one of them with every quota."""
    others = {key.id: KeyRecord(name="other", digest=digest_of(key.secret).hex()) for key in map(_new, range(keys - 1))}
    quotas = {"requests_per_second": 1e9, "tokens_per_minute": 10**12, "tokens_per_day": 10**12}
    return {**others, own.id: KeyRecord(name="own", digest=digest_of(own.secret).hex(), **quotas)}


def seconds_of(call: Callable[[], object]) -> float:
    """Return the time of one call, the median of rounds."""
    times = []
    for _ in range(ROUNDS):
        begin = perf_counter()
        for _ in range(CALLS):
            call()
        times.append((perf_counter() - begin) / CALLS)
    return statistics.median(times)


async def request_seconds(gate: Gate, headers: Headers) -> float:
    """Return the time that the front takes to answer `GET /models`, of which there are none, in a task of its own."""
    front = Front(_nothing, Settings(), gate)
    front.core = Core({}, Settings())
    scope = {"type": "http", "method": "GET", "path": "/models", "headers": headers}
    message: Message = {"type": "http.request", "body": b"", "more_body": False}
    pending: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    async def send(_: Message) -> None:
        pass

    async def one() -> None:
        messages = iter([message])

        async def receive() -> Message:
            return next(messages, None) or await pending

        await front(scope, receive, send)

    times = []
    for _ in range(ROUNDS):
        begin = perf_counter()
        for _ in range(CALLS // 5):
            await asyncio.create_task(one())
        times.append((perf_counter() - begin) / (CALLS // 5))
    return statistics.median(times)


def main() -> int:
    """Measure and print the table."""
    own, stranger = new_key(), new_key()
    rows = []
    with TemporaryDirectory() as folder:
        for keys in (1, 1000):
            file = Path(folder) / f"{keys}.toml"
            write_keys(file, records(keys, own))
            gate = Gate(Keyring({}, file))
            for what, key in (("a good", own), ("an unknown", stranger)):
                headers = [*BROWSER, (b"authorization", f"Bearer {key}".encode())]
                rows.append(
                    (
                        f"the gate, {keys:,} in the file, {what} one",
                        f"{copy_context().run(seconds_of, _checked(gate, headers)) * 1e6:.1f}",
                    )
                )
        headers = [*BROWSER, (b"authorization", f"Bearer {own}".encode())]
        without = asyncio.run(request_seconds(Gate(), BROWSER))
        behind = asyncio.run(request_seconds(gate, headers))
    rows += [
        ("a request at the front, no keys", f"{without * 1e6:.1f}"),
        ("the same with a key, 1,000 in the file", f"{behind * 1e6:.1f}"),
    ]
    for fact, value in {**describe_machine(), **describe_versions()}.items():
        print(f"- {fact}: {value}")
    print("", *table(("what", "us"), rows), sep="\n")
    return 0


def _checked(gate: Gate, headers: Headers) -> Callable[[], object]:
    def check() -> None:
        with suppress(JubakoError):
            gate.admit_headers(EMBED, headers)

    return check


def _new(_: int) -> Key:
    return new_key()


async def _nothing(scope: Scope, receive: object, send: object) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
