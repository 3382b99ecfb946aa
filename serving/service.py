"""How the service is put together; `service.py` at the root only names what BentoML has to find."""

import logging
from typing import Any

from _bentoml_sdk import Service
from bentoml import Bento

from bundle.store import find
from serving.api.asgi import App
from serving.api.front import Front
from serving.core import Core
from serving.loading import load_text_model
from serving.settings import Settings


class FrontedService(Service[Any]):
    """A BentoML service with our front around its ASGI application.

    `to_asgi` is where BentoML's worker asks a service for its application, and `service_class` is how a service may be
    of another class: both are public, so nothing is patched.
    """

    _front: Front | None = None

    def to_asgi(self, is_main: bool = True) -> App:
        """Return the application that the worker serves."""
        join_server_log()
        self._front = Front(super().to_asgi(is_main), Settings())
        return self._front

    def __call__(self) -> Any:
        """Make the service's instance, when the worker starts, and give its core to the front."""
        instance = super().__call__()
        if self._front is not None:
            self._front.core = instance.core
        return instance


def join_server_log() -> None:
    """Write our log lines where BentoML's worker writes its own."""
    ours, theirs = logging.getLogger("jubako"), logging.getLogger("bentoml")
    ours.handlers, ours.propagate = theirs.handlers, False
    ours.setLevel(logging.INFO)


def load_core(settings: Settings, bento: Bento | None) -> Core:
    """Load every model that the settings name.

    Raises:
        BundleError: one of them cannot be trusted or run; the message names the file and what is wrong.
    """
    models = [load_text_model(tag, settings) for tag in pinned_tags(settings, bento)]
    return Core({model.manifest.name: model for model in models}, settings)


def check_bundles(settings: Settings, bento: Bento | None) -> None:
    """Check schema and hashes of every bundle that the settings name.

    Raises:
        BundleError: as `load_core`.
    """
    for tag in pinned_tags(settings, bento):
        find(tag).verify()


def pinned_tags(settings: Settings, bento: Bento | None) -> list[str]:
    """Return the tags to load: a Bento serves the versions it was built with, a source tree the latest ones."""
    pinned = {info.tag.name: str(info.tag) for info in bento.info.all_models} if bento is not None else {}
    return [pinned.get(tag, tag) for tag in settings.models]
