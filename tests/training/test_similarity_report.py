"""The report of an encoder's neighbours: shares against chance, with what each candidate reads."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.baselines.text_neighbours import random_neighbours
from training.metrics.neighbours import list_ndcg, nearest, sets_of
from training.report.similarity import write_similarity
from training.report.similarity_evaluation import CandidateLists, SimilarCandidate, SimilarityEvaluation
from training.report.similarity_figures import SimilarityFigures

WORKS, FANDOMS = 60, 5


def _evaluation(targets: Mapping[str, float] | None = None) -> SimilarityEvaluation:
    """Return works whose vectors know their fandom; every third work has no ship."""
    rng = np.random.default_rng(0)
    vectors = (np.eye(FANDOMS)[np.arange(WORKS) % FANDOMS] + 0.3 * rng.normal(size=(WORKS, FANDOMS))).astype(np.float32)
    queries = np.arange(0, WORKS, 2)
    gains = rng.integers(0, 5, (20, 8))
    return SimilarityEvaluation(
        title="works",
        protocol="5% of works held out as queries",
        ids=[f"id{at}" for at in range(WORKS)],
        titles=["", *[f"Title | {at}" for at in range(1, WORKS)]],
        sets={
            "fandom": sets_of([[f"f{at % FANDOMS}"] for at in range(WORKS)]),
            "ship": sets_of([[] if at % 3 == 0 else [f"s{at % 7}", f"s{at % 4}"] for at in range(WORKS)]),
        },
        queries=queries,
        model=SimilarCandidate(
            "works",
            "works",
            "title + tags",
            nearest(vectors, queries, 10),
            gains + rng.random(gains.shape),
            {"fit": 2.5},
        ),
        others=[SimilarCandidate("random", "by lot", "nothing", random_neighbours(WORKS, queries, 10), notes=["lots"])],
        lists=CandidateLists(gains, np.ones(gains.shape, dtype=bool)),
        vectors=vectors,
        about={"data fingerprint": "abc123"},
        targets=targets or {},
        training=[{"epoch": 0.0, "train loss": 0.7}, {"epoch": 1.0, "train loss": 0.5, "validation fandom@10": 0.4}],
        latency=[{"rows": 1, "p50 ms": 0.8}],
        samples=50,
    )


def test_the_folder_holds_report_curves_and_figures(tmp_path: Path) -> None:
    figures = write_similarity(tmp_path / "report", _evaluation({"fandom@10": 0.6, "ship@10": 0.99}))
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names == {"report.md", "evaluation.json", "training_loss.png", "training_neighbours.png"}
    text = (tmp_path / "report" / "report.md").read_text()
    for needed in (
        "held out as queries",
        "abc123",
        "title + tags",
        "chance, exactly",
        "MISS",
        "pass",
        "lots",
        "p50 ms",
    ):
        assert needed in text
    assert list(figures.misses) == ["ship@10"]
    found = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    assert found["candidates"]["works"]["intervals"]["fandom@10"]["value"] > 0.6
    width = 0
    for line in text.splitlines():
        cells = line.replace("\\|", "").count("|") if line.startswith("|") else 0
        assert cells == (width or cells) or not cells, line
        width = cells


def test_shares_are_of_the_queries_that_have_something_to_share() -> None:
    evaluation = _evaluation()
    found = SimilarityFigures.of(evaluation)
    with_ship = [query for query in evaluation.queries.tolist() if query % 3]
    assert (found.rows["fandom@10"], found.rows["ship@10"]) == (len(evaluation.queries), len(with_ship))
    same = [
        np.mean([at % FANDOMS == query % FANDOMS for at in listed[:5].tolist()])
        for query, listed in zip(evaluation.queries.tolist(), evaluation.model.top, strict=True)
    ]
    assert found.candidates["works"].intervals["fandom@5"].value == pytest.approx(np.mean(same), abs=1e-6)


def test_lots_reach_what_chance_does_and_the_model_more() -> None:
    evaluation = _evaluation()
    many = [random_neighbours(WORKS, evaluation.queries, 10, seed) for seed in range(30)]
    lots = [replace(evaluation.others[0], name=f"lot{at}", top=top) for at, top in enumerate(many)]
    found = SimilarityFigures.of(replace(evaluation, others=lots, samples=2))
    for name in ("fandom@10", "ship@10"):
        drawn = [found.candidates[lot.name].intervals[name].value for lot in lots]
        assert np.mean(drawn) == pytest.approx(found.chance[name], abs=0.015)
    gap = SimilarityFigures.of(evaluation).candidates["random"].difference["fandom@10"]
    assert 0.3 < gap.low < gap.value < gap.high


def test_candidate_lists_are_judged_where_scores_are_given() -> None:
    evaluation = _evaluation()
    found = SimilarityFigures.of(evaluation)
    assert evaluation.lists is not None
    assert evaluation.model.list_scores is not None
    wanted = list_ndcg(evaluation.model.list_scores, evaluation.lists.gains, evaluation.lists.there).mean()
    assert found.candidates["works"].figures["ndcg"] == pytest.approx(wanted, abs=1e-6)
    assert "ndcg" not in found.candidates["random"].intervals
    assert found.chance["ndcg"] < wanted
    assert [line.title for line in found.summary(("ndcg",)).lines] == ["works, title + tags"]


def test_a_report_without_the_extras_leaves_their_sections_out(tmp_path: Path) -> None:
    bare = replace(_evaluation(), others=(), lists=None, vectors=None, training=(), latency=())
    write_similarity(tmp_path, bare)
    text = (tmp_path / "report.md").read_text()
    for heading in ("## Vectors", "## Training", "## Latency"):
        assert heading not in text


def test_what_does_not_fit_is_refused_with_the_candidates_name() -> None:
    whole = _evaluation()
    own = whole.model.top.copy()
    own[3, 0] = whole.queries[3]
    for changed, told in (
        ({"titles": whole.titles[1:]}, "of 59, 60 works"),
        ({"queries": whole.queries[:0]}, "there are none"),
        ({"model": replace(whole.model, top=own)}, "works: a work is listed among its own neighbours|twice"),
        ({"model": replace(whole.model, top=whole.model.top[:, :9])}, r"works: neighbours of shape \[30, 9\]"),
        ({"model": replace(whole.model, top=whole.model.top.astype(np.int64))}, "works: ranked lists are int32"),
    ):
        with pytest.raises(ValueError, match=told):
            replace(whole, **changed)
    with pytest.raises(ValueError, match="no figure is called fandom@7; there are fandom@1"):
        SimilarityFigures.of(_evaluation({"fandom@7": 0.5}))
