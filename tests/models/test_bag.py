"""The bag against TF-IDF as NumPy and scikit-learn compute it, in training and as it is exported."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfTransformer

from features.ngrams import IDS, WEIGHTS, NgramConfig, NgramFeatures
from features.rows import FeatureRow
from models.bag import BagVocabulary, NgramBag

FEATURES = NgramFeatures(NgramConfig(bits=9))
BUCKETS = FEATURES.config.buckets
TEXTS = ["red rice", "red red beans", "rice and beans and tea", "tea", "green tea", ""]
texts = st.lists(st.text(st.sampled_from("ab cd é数"), max_size=40), min_size=1, max_size=8)


def make_bag(least: int = 1, most: int = 0, width: int = 5) -> NgramBag:
    torch.manual_seed(1)
    return NgramBag(BagVocabulary.fit(FEATURES.encode(TEXTS), BUCKETS, least, most), width)


def run(bag: NgramBag, rows: list[FeatureRow]) -> NDArray[np.float32]:
    feed = FEATURES.collate(rows)
    with torch.inference_mode():
        vectors: NDArray[np.float32] = bag(*(torch.from_numpy(feed.inputs[name]) for name in (IDS, WEIGHTS))).numpy()
    return vectors


def counts_of(rows: list[FeatureRow]) -> NDArray[np.float64]:
    """Return the weights of all buckets, [rows, buckets]."""
    counts = np.zeros((len(rows), BUCKETS))
    for at, row in enumerate(rows):
        counts[at, row.arrays[IDS]] = row.arrays[WEIGHTS]
    return counts


def documents_of(rows: list[FeatureRow]) -> NDArray[np.int64]:
    documents: NDArray[np.int64] = (counts_of(rows) > 0).sum(axis=0)  # [buckets]
    return documents


@pytest.mark.parametrize("least", [1, 2])
def test_vectors_are_tf_idf_times_the_table(least: int) -> None:
    rows, bag = FEATURES.encode(TEXTS), make_bag(least)
    counts = counts_of(rows)
    counts[:, documents_of(rows) < least] = 0
    weighed = TfidfTransformer(smooth_idf=True, norm="l2").fit(counts_of(rows)).idf_ * counts
    weighed /= np.maximum(np.linalg.norm(weighed, axis=1, keepdims=True), 1e-9)  # [rows, buckets]
    table = bag.table.weight.detach().numpy()[bag.place.numpy()]  # [buckets, width]
    np.testing.assert_allclose(run(bag, rows), weighed @ table, atol=1e-5)


def test_scikit_learn_gives_the_same_weights() -> None:
    rows = FEATURES.encode(TEXTS)
    vocabulary = BagVocabulary.fit(rows, BUCKETS, least=1)
    bag = NgramBag(vocabulary, len(vocabulary.idf))
    torch.nn.init.eye_(bag.table.weight)
    expected = TfidfTransformer().fit_transform(counts_of(rows)).toarray()  # [rows, buckets]
    np.testing.assert_allclose(run(bag, rows)[:, vocabulary.place] * (vocabulary.place > 0), expected, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(texts=texts)
def test_what_is_exported_computes_what_is_trained(texts: list[str]) -> None:
    bag, rows = make_bag(), FEATURES.encode(texts)
    trained = run(bag, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.compiler, "is_exporting", lambda: True)
        np.testing.assert_allclose(run(bag, rows), trained, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(texts=texts)
@pytest.mark.parametrize("exporting", [False, True])
def test_a_vector_does_not_depend_on_its_batch(exporting: bool, texts: list[str]) -> None:
    bag, rows = make_bag(), FEATURES.encode(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.compiler, "is_exporting", lambda: exporting)
        alone = np.concatenate([run(bag, [row]) for row in rows])
        np.testing.assert_allclose(run(bag, rows), alone, atol=1e-6)


def test_an_empty_bag_and_one_of_unknown_n_grams_are_zeros() -> None:
    vectors = run(make_bag(least=2), FEATURES.encode(["", "…", "unheard of", "tea"]))
    assert np.isfinite(vectors).all()
    assert not vectors[:3].any()
    assert vectors[3].any()


def test_an_empty_bag_in_training_leaves_every_gradient_finite() -> None:
    bag, feed = make_bag(), FEATURES.collate(FEATURES.encode(["", "tea"]))
    bag(*(torch.from_numpy(feed.inputs[name]) for name in (IDS, WEIGHTS)), 0.3).sum().backward()
    assert bag.table.weight.grad is not None
    assert torch.isfinite(bag.table.weight.grad.to_dense()).all()


def test_rare_n_grams_have_no_row_and_weigh_nothing() -> None:
    rows = FEATURES.encode(TEXTS)
    vocabulary = BagVocabulary.fit(rows, BUCKETS, least=2)
    np.testing.assert_array_equal(vocabulary.place > 0, documents_of(rows) >= 2)
    assert len(vocabulary.idf) == (documents_of(rows) >= 2).sum() + 1
    assert vocabulary.idf[0] == 0


def test_the_most_common_n_grams_stay_where_the_table_is_bounded() -> None:
    rows = FEATURES.encode(TEXTS)
    vocabulary, documents = BagVocabulary.fit(rows, BUCKETS, least=1, most=3), documents_of(rows)
    assert len(vocabulary.idf) == 4
    assert documents[vocabulary.place > 0].min() >= np.sort(documents)[-3]


def test_a_text_without_n_grams_makes_none_common() -> None:
    rows = FEATURES.encode(["", "", "", "tea"])
    assert len(BagVocabulary.fit(rows, BUCKETS, least=2).idf) == 1


def test_only_rows_that_a_batch_touches_have_a_gradient() -> None:
    bag, rows = make_bag(), FEATURES.encode(["tea"])
    feed = FEATURES.collate(rows)
    bag(*(torch.from_numpy(feed.inputs[name]) for name in (IDS, WEIGHTS))).sum().backward()
    gradient = bag.table.weight.grad
    assert gradient is not None
    assert gradient.is_sparse
    assert set(gradient.coalesce().indices()[0].tolist()) == set(bag.place[feed.inputs[IDS][0]].tolist())


def test_dropout_leaves_the_mean_where_it_was() -> None:
    torch.manual_seed(0)
    bag, feed = make_bag(), FEATURES.collate(FEATURES.encode([TEXTS[2]]))
    inputs = [torch.from_numpy(feed.inputs[name]).expand(20_000, -1) for name in (IDS, WEIGHTS)]
    with torch.inference_mode():
        dropped, whole = bag(*inputs, 0.5), bag(*(array[:1] for array in inputs))
    assert dropped.std(dim=0).max() > 0.1
    torch.testing.assert_close(dropped.mean(dim=0), whole[0], atol=0.03, rtol=0)
