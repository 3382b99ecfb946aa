"""Neighbours by words, and by lot."""

import numpy as np

from training.baselines.text_neighbours import random_neighbours, tfidf_neighbours
from training.metrics.lists import checked


def test_texts_that_share_rare_words_are_near() -> None:
    texts = ["the red dragon", "the old dragon", "the blue whale", "the grey whale", "nothing"]
    found = tfidf_neighbours(texts, np.array([0, 3, 4]), 3)
    assert found[:2, 0].tolist() == [1, 2]
    assert found[2].tolist() == [-1, -1, -1]


def test_word_pairs_count_where_they_are_asked_for() -> None:
    texts = ["snow white", "white bread and snow shovels", "snow white and seven more words of a tale"]
    assert tfidf_neighbours(texts, np.array([0]), 1).tolist() == [[1]]
    assert tfidf_neighbours(texts, np.array([0]), 1, max_ngram=2).tolist() == [[2]]


def test_lots_are_even_repeat_with_the_seed_and_leave_the_query_out() -> None:
    queries = np.repeat(np.arange(5), 2000)
    found = random_neighbours(5, queries, 2)
    checked(found, 5)
    assert not (found == queries[:, None]).any()
    counts = np.bincount(found.ravel(), minlength=5)
    assert np.abs(counts / counts.mean() - 1).max() < 0.05
    np.testing.assert_array_equal(found, random_neighbours(5, queries, 2))
    assert (found != random_neighbours(5, queries, 2, seed=1)).any()
    assert random_neighbours(2, np.array([0]), 3).tolist() == [[1, -1, -1]]
