import os

import numpy as np
import pytest

from bundle.bundle import Bundle
from features.pipeline import TOKENIZER_FILE
from features.rows import FeatureRow
from features.text import IDS, MASK, TextTokenizer
from loadtests.bound import BUDGETS, Bound, Setting, cut
from tests.tiny import GRAPH_FILE, MAX_TOKENS, embed_directly

TEXTS = ["the lacquer box holds three trays", "short", "a server answers many questions at once", "vectors"] * 20


def tokenizer_of(bundle: Bundle) -> TextTokenizer:
    return TextTokenizer(bundle.root / TOKENIZER_FILE, MAX_TOKENS)


def token_rows(*lengths: int) -> list[FeatureRow]:
    return [FeatureRow({IDS: np.full(length, 7)}, length) for length in lengths]


@pytest.fixture
def bound(tiny: Bundle) -> Bound:
    tokenizer = tokenizer_of(tiny)
    return Bound(tiny.root / GRAPH_FILE, tokenizer.encode(TEXTS), tokenizer)


def test_cut_keeps_every_row_and_the_budget(tiny: Bundle) -> None:
    batches = cut(token_rows(3, 50, 4, 4, 9, 1, 2, 12), batch_tokens=16, features=tokenizer_of(tiny))
    lengths = sorted(int(length) for batch in batches for length in batch.inputs[MASK].sum(axis=1))
    assert lengths == [1, 2, 3, 4, 4, 9, 12, 50]
    assert all(batch.padded_tokens <= 16 or batch.rows == 1 for batch in batches)


def test_cut_puts_like_lengths_together_longest_first(tiny: Bundle) -> None:
    batches = cut(token_rows(2, 8, 2, 8), batch_tokens=16, features=tokenizer_of(tiny))
    assert [batch.inputs[IDS].shape for batch in batches] == [(2, 8), (2, 2)]


def test_a_pass_counts_all_texts(bound: Bound) -> None:
    found = bound.measure(Setting(2, 1, False, 128))
    assert found.texts_per_s > 0
    assert found.tokens_per_s > 2 * found.texts_per_s  # every row has at least its two special tokens and a word
    assert 1.0 <= found.padding_ratio < 1.3
    assert found.mean_batch > 1


def test_tuning_tries_everything_and_puts_the_fastest_first(bound: Bound) -> None:
    tried = bound.tune(seconds=0.5)
    cores = len(os.sched_getaffinity(0))
    divisions = {(setting.lanes, setting.threads, setting.spinning) for setting, _ in tried}
    assert divisions == {(cores, 1, False), (1, cores, False), (1, cores, True)}
    assert len(tried) == len(divisions) * len(BUDGETS)
    assert tried[0][1].tokens_per_s == max(found.tokens_per_s for _, found in tried[:3])


def test_latencies_are_taken_for_each_text(bound: Bound) -> None:
    latencies = bound.latencies_ms(Setting(1, 1, False))
    assert latencies.shape == (len(TEXTS),)
    assert (latencies > 0).all()


def test_vectors_are_those_of_the_graph(bound: Bound, tiny: Bundle) -> None:
    np.testing.assert_allclose(bound.vectors(4), embed_directly(tiny.root, TEXTS[:4]), atol=1e-6)


def test_spinning_sessions_are_not_kept(bound: Bound) -> None:
    assert bound._session(1, spinning=False) is bound._session(1, spinning=False)
    assert bound._session(1, spinning=True) is not bound._session(1, spinning=True)
