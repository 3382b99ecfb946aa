"""The default encoder through a real server: the vectors that people get are those of sentence-transformers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.bundle import Bundle
from bundle.golden import cosine_rows
from bundle.manifest import Precision
from bundle.store import save
from export.probes import probe_texts
from jubako import Client
from models.source import DEFAULT_SOURCE, resolve
from tests.e2e.server import Server, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TEXTS = probe_texts(128, seed=23)


@pytest.fixture(scope="module")
def stored(minilm: Bundle) -> Bundle:
    return save(minilm)


@pytest.fixture(scope="module")
def server(stored: Bundle, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(repository, tmp_path_factory.mktemp("log") / "server.log", JUBAKO_MODELS='["minilm"]') as server:
        yield server


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(resolve(DEFAULT_SOURCE).root), device="cpu")
    return np.asarray(model.encode(TEXTS, show_progress_bar=False))


def test_the_cpu_s_default_keeps_what_its_gate_measured(server: Server, stored: Bundle, reference: np.ndarray) -> None:
    with Client(server.url) as client:
        cosines = cosine_rows(client.embed(TEXTS).vectors, reference)
    graph = next(graph for graph in stored.manifest.graphs if graph.precision is Precision.INT8)
    assert cosines.mean() >= 0.998
    assert cosines.min() >= graph.parity.min_cosine - 0.01


def test_floats_agree_with_sentence_transformers(
    stored: Bundle, reference: np.ndarray, repository: Path, tmp_path: Path
) -> None:
    environment = {"JUBAKO_MODELS": '["minilm"]', "JUBAKO_ENGINE__PRECISION": "fp32"}
    with running(repository, tmp_path / "log", **environment) as server, Client(server.url) as client:
        assert cosine_rows(client.embed(TEXTS).vectors, reference).min() >= 0.9999


@settings(deadline=None, max_examples=12)
@given(places=st.lists(st.integers(0, len(TEXTS) - 1), min_size=2, max_size=24))
def test_a_vector_does_not_depend_on_its_batch(server: Server, places: list[int]) -> None:
    texts = [TEXTS[place] for place in places]
    with Client(server.url) as client:
        together = client.embed(texts).vectors
        alone = np.concatenate([client.embed(text).vectors for text in texts])
    assert cosine_rows(together, alone).min() >= 0.9999
