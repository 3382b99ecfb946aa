"""Digests of a bundle's files: written once at export, checked at every load."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from bundle.errors import BundleError
from bundle.manifest import MANIFEST_FILE, FileRecord


def sha256_of(path: Path) -> str:
    """Return the lower-case hexadecimal SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(root: Path) -> dict[str, FileRecord]:
    """Describe every file below `root` except the manifest, keyed by POSIX path relative to `root`."""
    paths = sorted(path for path in root.rglob("*") if path.is_file() and path.name not in _NOT_CONTENT)
    return {
        path.relative_to(root).as_posix(): FileRecord(sha256=sha256_of(path), bytes=path.stat().st_size)
        for path in paths
    }


def check_files(root: Path, files: Mapping[str, FileRecord]) -> None:
    """Check that every listed file is there, unchanged, and that no unlisted file lies beside it.

    Raises:
        BundleError: naming the first file that is missing, altered, unlisted, or outside the bundle.
    """
    for name, record in files.items():
        path = root / name
        if not path.resolve().is_relative_to(root.resolve()):
            raise BundleError(f"{name}: the manifest names a file outside the bundle")
        if not path.is_file():
            raise BundleError(f"{name}: listed in the manifest but missing from {root}")
        if path.stat().st_size != record.bytes:
            raise BundleError(f"{name}: {path.stat().st_size} bytes, the manifest says {record.bytes}")
        if (found := sha256_of(path)) != record.sha256:
            raise BundleError(f"{name}: altered since export (sha256 {found[:12]}…, manifest {record.sha256[:12]}…)")
    if extra := sorted(describe_files(root).keys() - files.keys()):
        raise BundleError(f"{extra[0]}: lies in the bundle but not in its manifest")


_NOT_CONTENT = frozenset({MANIFEST_FILE, "model.yaml"})
"""The manifest cannot list itself; model.yaml is the model store's own record of the entry."""
