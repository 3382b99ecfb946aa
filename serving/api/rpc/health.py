"""The service `grpc.health.v1.Health`: whether a service, a model or all of the server can answer, by trying."""

import asyncio
from collections.abc import Collection

from grpc_health.v1 import health_pb2 as pb

from serving.access.caller import CALLER
from serving.api.rpc.call import Call
from serving.api.rpc.standing import Room, Standing
from serving.errors import Code, JubakoError
from serving.settings import Settings

UNKNOWN: int = pb.HealthCheckResponse.SERVICE_UNKNOWN
SERVING: int = pb.HealthCheckResponse.SERVING
NOT_SERVING: int = pb.HealthCheckResponse.NOT_SERVING


class Health:
    """Tells of the server (the empty name), of each service and of each model."""

    def __init__(self, standing: Standing, services: Collection[str], settings: Settings) -> None:
        self._standing = standing
        self._services = frozenset({"", *services})
        self._expected = frozenset(tag.partition(":")[0] for tag in settings.models)
        self._again_s = settings.readiness.max_age_ms / 1e3
        self._watchers = Room(settings.grpc.max_watchers, "health checks that watch")

    async def Check(self, request: pb.HealthCheckRequest, call: Call[pb.HealthCheckRequest]) -> pb.HealthCheckResponse:
        """Tell the status now.

        Raises:
            JubakoError: `unknown_model`, when the name is none of a service or a model.
        """
        status = await self._status(request.service)
        if status == UNKNOWN:
            models = filter(CALLER.get().may_use, self._models())
            known = ", ".join(sorted(filter(None, self._services.union(models))))
            raise JubakoError(
                Code.UNKNOWN_MODEL, f"unknown service {request.service!r}; there are {known}", param="service"
            )
        return pb.HealthCheckResponse(status=status)

    async def Watch(self, request: pb.HealthCheckRequest, call: Call[pb.HealthCheckRequest]) -> None:
        """Tell the status now and whenever it is another one, until the client leaves or the server has drained."""
        told = None
        with self._watchers:
            while True:
                stopping = self._standing.draining.is_set()
                status = await self._status(request.service)
                if status != told:
                    await call.write(pb.HealthCheckResponse(status=status))
                    told = status
                if stopping:
                    raise JubakoError(Code.NOT_READY, "the server is stopping", retry_after_s=1)
                await self._until_something_may_have_changed()

    async def _status(self, service: str) -> int:
        models = self._models()
        if service not in self._services and service not in models:
            return UNKNOWN
        core = self._standing.loaded
        if core is None or self._standing.draining.is_set():
            return NOT_SERVING
        try:
            await (core.check_model(service) if service in models else core.check_ready())
        except JubakoError:
            return NOT_SERVING
        return SERVING

    def _models(self) -> frozenset[str]:
        core = self._standing.loaded
        return self._expected if core is None else frozenset(core.models)

    async def _until_something_may_have_changed(self) -> None:
        """Wait for the server to drain, or for as long as an inference is trusted."""
        try:
            async with asyncio.timeout(self._again_s):
                await self._standing.draining.wait()
        except TimeoutError:
            pass
