"""The similarity task: rank correlation, graded pairs, and that they grade anything at all."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from export.probes import ODD, probe_texts
from export.sentences import Scene, draw_scene, vary
from export.similarity import generated_task, load_task, spearman


def test_spearman_agrees_with_scipy_with_ties() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 500).astype(float), rng.normal(size=500)
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_generated_pairs_are_the_same_for_the_same_seed_only() -> None:
    assert generated_task(1, 5).texts == generated_task(1, 5).texts
    assert generated_task(1, 5).texts != generated_task(2, 5).texts


def test_a_bag_of_words_finds_some_of_the_structure_but_not_all() -> None:
    task = generated_task(0, 60)
    words = sorted({word for text in task.texts for word in text.lower().split()})
    column = {word: at for at, word in enumerate(words)}
    vectors = np.zeros((len(task.texts), len(words)), dtype=np.float32)
    for row, text in enumerate(task.texts):
        for word in text.lower().split():
            vectors[row, column[word]] += 1
    assert 0.2 < task.score(vectors).value < 0.9


def test_varying_a_scene_changes_that_many_slots() -> None:
    rng = np.random.default_rng(0)
    scene = draw_scene(rng)
    for changes in range(len(Scene._fields) + 1):
        varied = vary(scene, changes, rng)
        assert sum(a != b for a, b in zip(scene, varied, strict=True)) == changes


def test_real_papers_are_used_when_they_are_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    polars = pytest.importorskip("polars")
    rows = 40
    labels = [["cs.AI"] if row % 2 else ["math.NT", "cs.IT"] for row in range(rows)]
    frame = {"title": [f"t{row}" for row in range(rows)], "abstract": ["x y"] * rows, "categories": labels}
    polars.DataFrame(frame).write_parquet(tmp_path / "arxiv_papers.parquet")
    monkeypatch.setenv("JUBAKO_DATA_DIR", str(tmp_path))
    task = load_task()
    assert "arXiv" in task.protocol
    assert set(task.grades) == {0.0, 1.0}
    monkeypatch.delenv("JUBAKO_DATA_DIR")
    assert "generated" in load_task().protocol


def test_probes_hold_every_odd_text() -> None:
    texts = probe_texts(512)
    assert len(texts) == 512
    assert set(ODD) <= set(texts)
    assert max(map(len, texts)) >= 10_000
