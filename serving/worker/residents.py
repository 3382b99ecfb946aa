"""What a front and a runner do at the stages of their lifecycle."""

import asyncio
from collections.abc import Sequence

from serving.api.front import Front
from serving.api.heads import bound_heads
from serving.api.rpc.server import RpcServer
from serving.releases.file import releases_file
from serving.releases.loaders import Loader
from serving.releases.reconciling import Reconciler
from serving.releases.watching import plans
from serving.settings import Settings
from serving.split.remote import Runner
from serving.split.runner import RowsEndpoint
from serving.telemetry.metrics import WorkerMetrics


class FrontResident:
    """Starts and stops gRPC with a front, makes both of them not ready in time, and has releases followed."""

    def __init__(
        self, front: Front, rpc: RpcServer, runners: Sequence[Runner], loader: Loader, settings: Settings
    ) -> None:
        self._front = front
        self._rpc = rpc
        self._runners = runners
        self._loader = loader
        self._settings = settings
        self._delay_s = settings.lifecycle.drain_delay_ms / 1000
        self._connections: list[asyncio.Task[None]] = []
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start gRPC, connect to the runners, bound the heads of HTTP requests, and follow the releases file."""
        WorkerMetrics("front").started()
        bound_heads(self._settings.limits)
        self._connections = [asyncio.create_task(runner.keep()) for runner in self._runners]
        await self._rpc.start()
        if self._front.core is not None:
            reconciler = Reconciler(self._front.core.releases, self._loader, self._settings)
            changes = plans(releases_file(self._settings), self._settings.releases.poll_ms / 1000)
            self._following = asyncio.create_task(reconciler.follow(changes))

    async def give_notice(self) -> None:
        """Be not ready, for as long as balancers need to notice; versions stay as they are from now on."""
        if self._following is not None:
            self._following.cancel()
        if self._front.core is not None:
            self._front.core.stopping = True
        await self._rpc.announce()
        await asyncio.sleep(self._delay_s)

    async def drain(self, grace_s: float) -> None:
        """Drain gRPC; HTTP is drained by its own server."""
        await self._rpc.drain(grace_s)


class RunnerResident:
    """Keeps a runner until the fronts that need it are gone: the supervisor signals all of them at once."""

    def __init__(self, endpoint: RowsEndpoint, settings: Settings) -> None:
        self._endpoint = endpoint
        self._delay_s = settings.lifecycle.drain_delay_ms / 1000

    async def start(self) -> None:
        """Tell that it has started; a runner has an HTTP server alone."""
        WorkerMetrics("runner").started()

    async def give_notice(self) -> None:
        """Wait until no front is connected; one that is not yet connected has the delay to do so."""
        await asyncio.sleep(self._delay_s)
        await self._endpoint.left.wait()

    async def drain(self, grace_s: float) -> None:
        """Do nothing: fronts have their answers before they leave."""
