"""Bundles in the BentoML model store, where `bentofile.yaml` finds them when it builds a Bento."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException, NotFound

from bundle.bundle import Bundle
from bundle.errors import BundleError

LABEL = "jubako"
"""Store label that tells our bundles from other entries of the same store."""


def save(bundle: Bundle) -> Bundle:
    """Copy a sealed bundle into the store under its tag and return the stored one.

    Raises:
        BundleError: a bundle of the same name and version is in the store already.
    """
    try:
        with bentoml.models.create(
            bundle.tag, labels={LABEL: bundle.manifest.family}, metadata={"tasks": ",".join(bundle.manifest.tasks)}
        ) as entry:
            shutil.copytree(bundle.root, entry.path, dirs_exist_ok=True)
    except BentoMLException as error:
        raise BundleError(f"{bundle.tag}: cannot be stored ({error})") from error
    return find(bundle.tag)


def find(tag: str) -> Bundle:
    """Open the stored bundle `name` (its latest version) or `name:version`.

    Raises:
        BundleError: there is none, or its manifest is not valid.
    """
    try:
        return Bundle.open(Path(bentoml.models.get(tag).path))
    except NotFound as error:
        stored = ", ".join(bundle.tag for bundle in bundles()) or "none"
        raise BundleError(f"no bundle {tag!r} in the model store (stored: {stored}); run `jubako export`") from error
    except BentoMLException as error:  # a prefix of several versions
        raise BundleError(f"{tag}: {error}; write the version out") from error


def is_stored(tag: str) -> bool:
    """Tell whether there is a bundle `name` or `name:version`."""
    try:
        bentoml.models.get(tag)
    except NotFound:
        return False
    return True


def bundles() -> Iterator[Bundle]:
    """Yield the stored bundles, newest first; entries of other tools and unreadable bundles are passed over."""
    entries = [entry for entry in bentoml.models.list() if LABEL in entry.info.labels]
    for entry in sorted(entries, key=lambda entry: entry.info.creation_time, reverse=True):
        try:
            yield Bundle.open(Path(entry.path))
        except BundleError:
            continue
