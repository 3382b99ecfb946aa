"""The benchmark of searching, end to end on a small catalogue with short windows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loadtests import search_bench
from loadtests.search_arms import PlainNumpy, Question, draw_basis, draw_vectors
from loadtests.search_bench import judge, main
from loadtests.search_figures import Exact, Large, Memory, Sizes
from loadtests.search_runs import measure_exact
from loadtests.summary import Spread

SMALL = Sizes(items=500, large=600, dimensions=16, rounds=1, questions=4, callers=4, window_s=0.05)


def test_it_measures_and_writes_every_arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_bench, "QUICK", SMALL)
    assert main(["--quick", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "search-quick.json").read_text())
    assert [arm["title"].split()[0] for arm in found["exact"]["arms"]] == ["numpy,", "exact"]
    assert [arm["title"].split()[0] for arm in found["large"]["arms"]] == ["approximate", "exact", "numpy,"]
    for arm in found["exact"]["arms"] + found["large"]["arms"]:
        assert 0 < arm["p50_ms"]["median"] <= arm["p99_ms"]["median"]
        assert arm["per_s"]["low"] > 0
    assert found["large"]["recall"] >= 0.97
    report = (tmp_path / "search-quick.md").read_text()
    assert report.count("| exact index, as served") == 2
    assert "approximate, 600 items: recall@20 of exact" in report


async def test_callers_at_once_are_batched() -> None:
    exact = await measure_exact(replace(SMALL, callers=16, window_s=0.2))
    assert exact.mean_batch > 1.5
    assert exact.p50_ratio.median > 0


async def test_numpy_finds_the_best_in_order() -> None:
    rng = np.random.default_rng(0)
    vectors = draw_vectors(rng, 300, 8, draw_basis(rng, 8))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    question = Question(vectors[3], np.zeros(0, dtype=np.int64))
    found = await PlainNumpy(vectors).answer(question, 5)
    assert found.tolist() == np.argsort(-(vectors @ vectors[3]))[:5].tolist()


def test_targets_are_judged_by_the_medians() -> None:
    memory, spread = Memory(0, 0), Spread.of
    exact = Exact(10, 64, [], spread([1.9, 2.1, 1.8]), spread([4.9, 9.0, 4.8]), 1.0, memory, 0.0)
    large = Large(10, 64, [], 1.0, "", 1, 0.98, 20.1, 1.0, 1.0, memory, 0.0)
    assert [verdict.passed for verdict in judge(exact, large)] == [True, False, True, False]
    assert len(judge(exact, None)) == 2
