"""Which bundles are served: those that are set, or those of the default that there are."""

import logging

from bentoml import Bento

from bundle.errors import BundleError
from bundle.store import is_stored
from serving.settings import Settings

logger = logging.getLogger("jubako.selection")


def served_tags(settings: Settings, bento: Bento | None) -> list[str]:
    """Return the tags to load: a Bento serves the versions it was built with, a source tree the latest ones.

    Where nobody has set what to serve, that is all of a Bento's models, and of a source tree those of the default that
    are stored; the others are told in a warning.

    Raises:
        BundleError: nobody has set what to serve, and nothing is there.
    """
    pinned = {info.tag.name: str(info.tag) for info in bento.info.all_models} if bento is not None else {}
    if "models" in settings.model_fields_set:
        return [pinned.get(name, name) for name in settings.models]
    if pinned:
        return [pinned[name] for name in sorted(pinned, key=lambda name: _place(name, settings.models))]
    there = stored_tags(settings)
    missing = ", ".join(name for name in settings.models if name not in there)
    if not there:
        raise BundleError(
            f"none of {missing} is in the model store: `make serve` makes and serves all of them, "
            "`jubako export text` makes the first; or name what to serve in JUBAKO_MODELS"
        )
    if missing:
        logger.warning("not in the model store, so not served: %s", missing)
    return there


def stored_tags(settings: Settings) -> list[str]:
    """Return those of the settings' models that are in the store: what a Bento that is built now would carry."""
    return [tag for tag in settings.models if is_stored(tag)]


def _place(name: str, order: list[str]) -> int:
    return order.index(name) if name in order else len(order)
