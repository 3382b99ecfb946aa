"""The default encoder itself: parity with sentence-transformers, and what its 8-bit graph costs."""

from pathlib import Path

import numpy as np
import pytest

from bundle.bundle import Bundle
from bundle.golden import cosine_rows
from bundle.manifest import Precision
from export.probes import probe_texts
from export.runner import embed, run_graph
from features.pipeline import TOKENIZER_FILE
from features.text import TextTokenizer
from models.source import DEFAULT_SOURCE, resolve

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_every_precision_passes_its_gate(minilm: Bundle) -> None:
    assert not minilm.manifest.dropped
    assert [graph.precision for graph in minilm.manifest.graphs] == list(Precision)


def test_fp32_and_fused_agree_with_sentence_transformers_on_500_texts(minilm: Bundle) -> None:
    from sentence_transformers import SentenceTransformer

    texts = probe_texts(512, seed=11)
    tokenizer = TextTokenizer(minilm.root / TOKENIZER_FILE, minilm.manifest.max_tokens)
    folder: Path = resolve(DEFAULT_SOURCE).root
    theirs = SentenceTransformer(str(folder), device="cpu").encode(texts, show_progress_bar=False)
    for graph in minilm.manifest.graphs:
        if graph.precision in (Precision.FP32, Precision.FUSED):
            ours = embed(run_graph(minilm.path_of(graph)), tokenizer, texts)
            assert cosine_rows(ours, theirs).min() >= 0.9999
            np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1.0, atol=1e-5)


def test_eight_bit_graph_is_small_invariant_and_keeps_the_ranking(minilm: Bundle) -> None:
    graph = next(graph for graph in minilm.manifest.graphs if graph.precision is Precision.INT8)
    fp32 = minilm.manifest.graphs[0]
    assert graph.batch_invariance >= 0.9999
    assert graph.metric_drop <= 0.005
    assert graph.parity.mean_cosine >= 0.998
    assert minilm.manifest.files[graph.file].bytes < 0.7 * minilm.manifest.files[fp32.file].bytes
