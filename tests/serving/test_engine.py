import logging

import numpy as np
import pytest

from bundle.bundle import Bundle
from bundle.manifest import Provider
from features.pipeline import TOKENIZER_FILE
from features.text import TextTokenizer
from serving.engine import GraphEngine, lay_out, offered_providers
from serving.settings import Engine
from tests.tiny import CORPUS, MAX_TOKENS, embed_directly


def test_the_engine_computes_what_the_graph_does(tiny: Bundle) -> None:
    tokenizer = TextTokenizer(tiny.root / TOKENIZER_FILE, MAX_TOKENS)
    engine = GraphEngine(tiny, tokenizer, Engine())
    rows = tokenizer.encode(CORPUS)
    for alone in (True, False):
        computed = engine.compute(rows, alone)
        np.testing.assert_allclose(computed.outputs, embed_directly(tiny.root, CORPUS), atol=1e-6)
        assert computed.padded_tokens == len(rows) * max(map(len, rows))


def test_cuda_that_is_not_there_falls_back_with_a_warning(tiny: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="jubako.engine"):
        offered = offered_providers(Engine(device="cuda"))
        engine = GraphEngine(tiny, TextTokenizer(tiny.root / TOKENIZER_FILE, MAX_TOKENS), Engine(device="cuda"))
    if Provider.CUDA not in offered:
        assert "serving on the CPU" in caplog.text
        assert engine.provider is Provider.CPU


def test_the_cores_are_divided_among_the_lanes() -> None:
    layout = lay_out(Provider.CPU, Engine(lanes=2, threads_per_lane=3))
    assert (layout.lanes, layout.threads) == (2, 3)
    assert lay_out(Provider.CPU, Engine()).threads == 1
    assert lay_out(Provider.CUDA, Engine()).lanes == 2
