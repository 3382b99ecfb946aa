"""How the service is put together; `service.py` at the root only names what BentoML has to find."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

import bentoml
import onnxruntime as ort
from _bentoml_sdk import Service
from bentoml.models import BentoModel

from bundle.manifest import Provider
from bundle.store import find
from serving.api.asgi import App
from serving.api.front import Front
from serving.api.rpc.server import RpcServer
from serving.core import Core
from serving.lifecycle import Lifecycle
from serving.loading import load_model, load_remote_model, load_schedulers
from serving.logs import join_server_log
from serving.residents import FrontResident, RunnerResident
from serving.selection import served_tags, stored_tags
from serving.settings import Settings
from serving.spans import tracing_options
from serving.split.remote import Runner
from serving.split.runner import RowsEndpoint


class FrontedService(Service[Any]):
    """A BentoML service with our front around its ASGI application.

    `to_asgi` is where BentoML's worker asks a service for its application, and `service_class` is how a service may be
    of another class: both are public, so nothing is patched.
    """

    _front: Front | None = None

    def to_asgi(self, is_main: bool = True) -> App:
        """Return the application that the worker serves."""
        settings = Settings()
        join_server_log(settings.observability)
        front = self._front = Front(super().to_asgi(is_main), settings)
        rpc = RpcServer(lambda: front.core, settings)
        return Lifecycle(front, FrontResident(front, rpc, self.runners, settings), settings.lifecycle)

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
        """Make the service's instance, when the worker starts, and give its schedulers to the endpoint."""
        instance = super().__call__()
        if self._endpoint is not None:
            self._endpoint.backends = instance.schedulers
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
    """Load every model that the settings name.

    Raises:
        BundleError: one of them cannot be trusted or run; the message names the file and what is wrong.
    """
    tags = served_tags(settings, service.bento)
    if settings.topology == "single":
        models = [load_model(tag, settings) for tag in tags]
    else:
        runners = cast(FrontedService, service).runners
        models = [load_remote_model(tag, runners, settings) for tag in tags]
    return Core({model.manifest.name: model for model in models}, settings)


def check_bundles(settings: Settings, service: Service[Any]) -> None:
    """Check schema and hashes of every bundle that the settings name.

    Raises:
        BundleError: as `load_core`.
    """
    for tag in served_tags(settings, service.bento):
        find(tag).verify()


def _runner_service(index: int, settings: Settings) -> Service[Any]:
    on_gpu = settings.engine.device != "cpu" and Provider.CUDA in ort.get_available_providers()

    class JubakoRunner:
        """Computes rows on one device."""

        def __init__(self) -> None:
            tags = served_tags(settings, service.bento)
            self.schedulers = {
                name: scheduler for tag in tags for name, scheduler in load_schedulers(tag, settings).items()
            }

        @bentoml.on_shutdown
        def close(self) -> None:
            """Let running work end and free the models."""
            for scheduler in self.schedulers.values():
                scheduler.close()

    options = {**tracing_options(settings.observability), **({"resources": {"gpu": 1}} if on_gpu else {})}
    service = _service(JubakoRunner, name=f"jubako_runner_{index}", service_class=RunnerService, **options)
    return service


def _service(inner: type, **options: Any) -> Service[Any]:
    return bentoml.service(**options)(inner)
