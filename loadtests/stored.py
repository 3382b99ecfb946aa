"""Which bundles of the model store there are to measure."""

from bundle.bundle import Bundle
from bundle.manifest import Task
from bundle.store import bundles, find


def stored_classifiers() -> list[Bundle]:
    """Return the latest version of every classifier in the store, by name."""
    names = {bundle.manifest.name for bundle in bundles() if Task.CLASSIFY in bundle.manifest.tasks}
    return [find(name) for name in sorted(names)]
