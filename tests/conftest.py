"""A model store of the tests' own, set before anything imports BentoML, and a small real bundle in it."""

import os
import tempfile
from pathlib import Path

STORE = tempfile.TemporaryDirectory(prefix="jubako-tests-")
os.environ["BENTOML_HOME"] = STORE.name
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
for variable in [name for name in os.environ if name.startswith("JUBAKO_") and name != "JUBAKO_DATA_DIR"]:
    del os.environ[variable]

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from bundle.bundle import Bundle  # noqa: E402
from bundle.store import save  # noqa: E402
from tests.tiny import build_tiny_bundle  # noqa: E402
from tests.tiny_classifier import build_tiny_classifier  # noqa: E402

pytest_plugins = ["tests.trained", "tests.trained_recommenders"]

settings.register_profile("jubako", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("jubako")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small text bundle on disk, outside the store."""
    return build_tiny_bundle(tmp_path_factory.mktemp("tiny"), name="tiny")


@pytest.fixture(scope="session")
def stored_tiny(tiny: Bundle) -> Bundle:
    """The same bundle, in the store."""
    return save(tiny)


@pytest.fixture(scope="session")
def tales(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small classifier of books, a bag of n-grams, on disk and outside the store."""
    return build_tiny_classifier(tmp_path_factory.mktemp("tales"), name="tales")


@pytest.fixture(scope="session")
def stored_tales(tales: Bundle) -> Bundle:
    """The same bundle, in the store."""
    return save(tales)


@pytest.fixture(scope="session")
def stored_notes(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small classifier of papers that reads tokens and n-grams, in the store."""
    return save(build_tiny_classifier(tmp_path_factory.mktemp("notes"), name="notes", record="paper", joint=True))


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The default encoder, exported as `jubako export text` does; takes minutes."""
    from export.config import read_config
    from export.text import build_bundle

    return build_bundle(read_config(name="minilm"), tmp_path_factory.mktemp("minilm"))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of this checkout."""
    return Path(__file__).parent.parent
