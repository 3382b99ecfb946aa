import shutil
from pathlib import Path

import pytest

from bundle.bundle import Bundle


@pytest.fixture(scope="session")
def model_store(
    stored_tiny: Bundle, stored_tales: Bundle, exported_books: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model store with one model of each task, as a volume would hold it: readable by everyone, written by nobody."""
    store = tmp_path_factory.mktemp("store")
    for bundle in (stored_tiny, stored_tales, exported_books):
        entry = bundle.root.parent
        shutil.copytree(entry, store / entry.name, symlinks=False)
    for path in (store, *store.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in list(store.parents)[:2]:
        parent.chmod(0o755)
    return store
