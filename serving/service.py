"""How the service is put together; `service.py` at the root only names what BentoML has to find."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, cast

import bentoml
import onnxruntime as ort
from _bentoml_sdk import Service
from bentoml.models import BentoModel

from bundle.manifest import Provider
from bundle.store import find
from serving.access.exposure import check_access, http_host, keys_required, located
from serving.access.gate import Gate
from serving.api.asgi import App
from serving.api.front import Front
from serving.api.rpc.server import RpcServer
from serving.core import Core
from serving.loading import load_model, load_remote_model, load_schedulers
from serving.model import Served
from serving.releases.loaders import Loader, LocalLoader, RemoteLoader
from serving.releases.memory import keep_large_blocks_apart
from serving.releases.starting import plan_at_start, start_all
from serving.selection import served_tags, stored_tags
from serving.settings import Settings
from serving.split.remote import Runner
from serving.split.runner import RowsEndpoint
from serving.split.shelf import Shelf
from serving.telemetry.logs import join_server_log
from serving.telemetry.spans import tracing_options
from serving.worker.lifecycle import Lifecycle
from serving.worker.residents import FrontResident, RunnerResident


class FrontedService(Service[Any]):
    """A BentoML service with our front around its ASGI application.

    `to_asgi` is where BentoML's worker asks a service for its application, and `service_class` is how a service may be
    of another class: both are public, so nothing is patched.
    """

    _front: Front | None = None

    def to_asgi(self, is_main: bool = True) -> App:
        """Return the application that the worker serves."""
        settings, host = located(Settings()), http_host()
        join_server_log(settings.observability)
        check_access(settings, host)
        gate = Gate.of(settings, keys_required(settings, host))
        front = self._front = Front(super().to_asgi(is_main), settings, gate)
        rpc = RpcServer(lambda: front.core, settings, gate)
        resident = FrontResident(front, rpc, self.runners, loader(self.runners, settings), settings)
        return Lifecycle(front, resident, settings.lifecycle)

    def __call__(self) -> Any:
        """Make the service's instance, when the worker starts, and give its core to the front."""
        instance = super().__call__()
        if self._front is not None:
            self._front.core = instance.core
        return instance

    @cached_property
    def runners(self) -> list[Runner]:
        """Where rows are computed; nowhere else in the single topology."""
        return [Runner(dependency.on.url) for dependency in self.dependencies.values()]


class RunnerService(Service[Any]):
    """A BentoML service that computes rows for fronts."""

    _endpoint: RowsEndpoint | None = None

    def to_asgi(self, is_main: bool = True) -> App:
        """Return the application that the worker serves."""
        settings = Settings()
        join_server_log(settings.observability)
        self._endpoint = RowsEndpoint(super().to_asgi(is_main))
        return Lifecycle(self._endpoint, RunnerResident(self._endpoint, settings), settings.lifecycle)

    def __call__(self) -> Any:
        """Make the service's instance, when the worker starts, and give what it has loaded to the endpoint."""
        instance = super().__call__()
        if self._endpoint is not None:
            self._endpoint.shelf = instance.shelf
        return instance


def jubako_service(settings: Settings) -> Callable[[type], Service[Any]]:
    """Return the decorator that makes the service, alone or with one runner service for each device.

    Its models are those of the settings that are stored, so that a Bento carries them.
    """

    def decorate(inner: type) -> Service[Any]:
        tracing = tracing_options(settings.observability)
        if settings.topology == "single":
            service = _service(inner, name="jubako", service_class=FrontedService, **tracing)
        else:
            for index in range(settings.runners):
                setattr(inner, f"runner_{index}", bentoml.depends(_runner_service(index, settings)))
            service = _service(inner, name="jubako", service_class=FrontedService, workers=settings.fronts, **tracing)
        service.models.extend(BentoModel(tag) for tag in stored_tags(settings))
        return service

    return decorate


def load_core(settings: Settings, service: Service[Any]) -> Core:
    """Load every model that the settings name, in the version that the releases file wants.

    Raises:
        BundleError: one of them cannot be trusted or run, nor a version before it; the message names the file and what
            is wrong.
    """
    keep_large_blocks_apart()
    plan = plan_at_start(settings)
    load = load_with(cast(FrontedService, service).runners, settings)
    started = start_all(served_tags(settings, service.bento), plan, load)
    core = Core({one.loaded.manifest.name: one.loaded for one in started}, settings)
    for one in started:
        name = one.loaded.manifest.name
        for version, reason in one.refused.items():
            core.releases[name].refuse(version, reason, plan.of(name).revision)
    return core


def load_with(runners: Sequence[Runner], settings: Settings) -> Callable[[str], Served]:
    """Return what loads a tag: into this process, or with its computing half in runners."""
    if settings.topology == "single":
        return partial(load_model, settings=settings)
    return partial(load_remote_model, runners=runners, settings=settings)


def loader(runners: Sequence[Runner], settings: Settings) -> Loader:
    """Return what loads and frees versions while requests come."""
    load = load_with(runners, settings)
    return LocalLoader(load) if settings.topology == "single" else RemoteLoader(load, runners, settings)


def check_bundles(settings: Settings, service: Service[Any]) -> None:
    """Check schema and hashes of every bundle that will be served.

    Raises:
        BundleError: as `load_core`.
    """
    plan = plan_at_start(settings)
    start_all(served_tags(settings, service.bento), plan, lambda candidate: find(candidate).verify())


def _runner_service(index: int, settings: Settings) -> Service[Any]:
    on_gpu = settings.engine.device != "cpu" and Provider.CUDA in ort.get_available_providers()

    class JubakoRunner:
        """Computes rows on one device."""

        def __init__(self) -> None:
            keep_large_blocks_apart()
            load, plan = partial(load_schedulers, settings=settings), plan_at_start(settings)
            started = start_all(served_tags(settings, service.bento), plan, load)
            self.shelf = Shelf(load, [one.loaded for one in started])

        @bentoml.on_shutdown
        def close(self) -> None:
            """Let running work end and free the models."""
            self.shelf.close()

    options = {**tracing_options(settings.observability), **({"resources": {"gpu": 1}} if on_gpu else {})}
    service = _service(JubakoRunner, name=f"jubako_runner_{index}", service_class=RunnerService, **options)
    return service


def _service(inner: type, **options: Any) -> Service[Any]:
    return bentoml.service(**options)(inner)
