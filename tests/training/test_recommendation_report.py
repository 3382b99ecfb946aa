"""The report of a recommender: what it says is what was measured, and what cannot be right is refused."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import ttest_1samp, ttest_rel

from training.baselines.popularity import Popularity
from training.baselines.ranker import run_ranker, top_k
from training.metrics.topk import CUTOFFS, per_user
from training.report.markdown import show
from training.report.recommendation_figures import RecommendationFigures
from training.report.recommendation_slices import ITEMS, USERS
from training.report.recommendations import as_json, markdown, write_recommendations
from training.report.recommender_evaluation import Items, RankedCandidate, RecommenderEvaluation, SeedRun
from training.report.seeds import by_variant, gaps

NASTY = "A | pipe, $x_1$ and `code` <b>\n# heading " + "word " * 100
ALL_USERS, ITEMS_THERE, TASTES = 90, 40, 4


def _evaluation(targets: Mapping[str, float] | None = None) -> RecommenderEvaluation:
    """Return users who like one of four categories; the model knows it, the baseline does not."""
    rng = np.random.default_rng(0)
    taste = np.arange(ALL_USERS)[:, None] % TASTES == np.arange(ITEMS_THERE)[None] % TASTES
    seen = rng.random(taste.shape) < np.where(taste, 0.5, 0.1)
    test = seen & (rng.random(seen.shape) < 0.3)
    history, held_out = csr_matrix(seen & ~test), csr_matrix(test)
    users = np.flatnonzero(test.any(axis=1))
    noisy = taste + 0.8 * rng.random(taste.shape)
    model = RankedCandidate(
        "dat", "DAT", top_k(lambda chunk: noisy[chunk], users, history, 100), {"train": 12.5}, ["a note"]
    )
    runs = [("plain", 0, 0.10), ("plain", 1, 0.12), ("plain", 2, 0.11), ("dat", 0, 0.12), ("dat", 1, 0.13)]
    return RecommenderEvaluation(
        title="books",
        protocol="5-core, 20% of each user held out, full ranking, seed 0",
        history=history,
        held_out=held_out,
        users=users,
        items=Items(
            [f"work{at}" for at in range(ITEMS_THERE)],
            ["", *[f"{at} {NASTY}" for at in range(1, ITEMS_THERE)]],
            ["", *[f"Author {at % 9}" for at in range(1, ITEMS_THERE)]],
            csr_matrix(np.arange(ITEMS_THERE)[:, None] % TASTES == np.arange(TASTES)),
        ),
        model=model,
        baselines=[run_ranker(Popularity(), history, users)],
        item_vectors=rng.normal(size=(ITEMS_THERE, 8)).astype(np.float32),
        user_ids=[f"user{at}" for at in range(ALL_USERS)],
        about={"data fingerprint": "abc123"},
        targets=targets or {},
        training=[{"epoch": 0.0, "train loss": 0.7}, {"epoch": 1.0, "train loss": 0.5, "validation recall@20": 0.1}],
        seed_runs=[SeedRun(variant, seed, {"recall@20": value}) for variant, seed, value in runs],
        latency=[{"graph": "user", "p50 ms": 0.8}],
        samples=50,
    )


def test_the_folder_holds_report_plots_and_figures(tmp_path: Path) -> None:
    figures = write_recommendations(tmp_path / "report", _evaluation({"recall@20": 0.1, "ndcg@20": 0.999}))
    files = {path.name: path for path in (tmp_path / "report").iterdir()}
    drawn = ("recall", "ndcg", "cold_users", "cold_items", "norms", "training_loss", "training_recall")
    assert set(files) == {"report.md", "evaluation.json", *(f"{name}.png" for name in drawn)}
    text = files["report.md"].read_text()
    for name in drawn:
        assert files[f"{name}.png"].read_bytes().startswith(b"\x89PNG")
        assert f"({name}.png)" in text
    for needed in ("full ranking, seed 0", "abc123", "a note", "p50 ms", "MISS", "pass", "whole catalogue", "12.5"):
        assert needed in text
    assert list(figures.misses) == ["ndcg@20"]
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings)) == 10


def test_the_json_holds_what_was_measured(tmp_path: Path) -> None:
    evaluation = _evaluation()
    write_recommendations(tmp_path, evaluation)
    found = json.loads((tmp_path / "evaluation.json").read_text())
    own, popular = found["candidates"]["dat"], found["candidates"]["popularity"]
    wanted = per_user(evaluation.model.top, evaluation.held_out[evaluation.users])
    for name, values in wanted.items():
        assert own["figures"][name] == pytest.approx(values.mean(), abs=1e-6)
    others = per_user(evaluation.baselines[0].top, evaluation.held_out[evaluation.users])
    gap = popular["difference"]["ndcg@20"]
    assert gap["value"] == pytest.approx((wanted["ndcg@20"] - others["ndcg@20"]).mean(), abs=1e-5)
    assert 0 < gap["low"] < gap["value"] < gap["high"]
    assert own["difference"] == {}
    assert found["protocol"] == evaluation.protocol
    assert found["test_users"] == len(evaluation.users)
    for kind in ("coverage", "gini", "novelty", "diversity", "category_diversity"):
        assert {f"{kind}@{cutoff}" for cutoff in CUTOFFS} <= own["figures"].keys()
    assert own["figures"]["category_diversity@5"] < popular["figures"]["category_diversity@5"]


def test_the_same_evaluation_writes_the_same_report() -> None:
    evaluation = _evaluation()
    found = [RecommendationFigures.of(evaluation) for _ in range(2)]
    assert markdown(evaluation, found[0]) == markdown(evaluation, found[1])
    assert as_json(evaluation, found[0]) == as_json(evaluation, found[1])


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    evaluation = _evaluation({"recall@20": 0.1})
    width = 0
    for line in markdown(evaluation, RecommendationFigures.of(evaluation)).splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = line.replace("\\|", "").count("|")
        width = width or cells
        assert cells == width, line


def test_slices_part_users_by_history_and_count_only_the_groups_items() -> None:
    evaluation = _evaluation()
    found = RecommendationFigures.of(evaluation).slices
    of_users = [one for one in found if one.kind == USERS]
    whole = per_user(evaluation.model.top, evaluation.test)["recall@20"].mean()
    parts = sum(one.users * one.figures["dat"]["recall@20"].value for one in of_users)
    assert sum(one.users for one in of_users) == len(evaluation.users)
    assert parts / len(evaluation.users) == pytest.approx(whole, abs=1e-6)

    cold = next(one for one in found if one.kind == ITEMS)
    popularity = evaluation.history.toarray().sum(axis=0)
    low, _, high = cold.counts.partition("-")
    members = (popularity >= int(low)) & (popularity <= int(high or low))
    recalls = []
    for row, user in enumerate(evaluation.users.tolist()):
        wanted = set(evaluation.held_out[user].indices.tolist()) & set(np.flatnonzero(members).tolist())
        if wanted:
            recalls.append(len(wanted & set(evaluation.model.top[row, :20].tolist())) / len(wanted))
    assert (cold.members, cold.users) == (members.sum(), len(recalls))
    assert cold.figures["dat"]["recall@20"].value == pytest.approx(np.mean(recalls), abs=1e-6)


def test_lists_of_ones_own_taste_match_the_history_more_than_the_catalogue_does() -> None:
    evaluation = _evaluation()
    found = RecommendationFigures.of(evaluation)
    assert set(found.matches_by_chance) == {"author_match@10", "category_match@10"}
    bare = replace(evaluation, items=replace(evaluation.items, categories=None))
    assert set(RecommendationFigures.of(bare).matches_by_chance) == {"author_match@10"}
    user = evaluation.users[0]
    own = {evaluation.items.authors[item] for item in evaluation.history[user].indices} - {""}
    shares = [evaluation.items.authors[item] in own for item in evaluation.model.top[0, :10]]
    text = markdown(
        replace(evaluation, users=evaluation.users[:1], model=_cut(evaluation.model, 1), baselines=()), found
    )
    assert f"author match {np.mean(shares):.0%}" in text


def _cut(candidate: RankedCandidate, users: int) -> RankedCandidate:
    return replace(candidate, top=candidate.top[:users])


def test_samples_put_what_was_held_out_and_found_in_bold() -> None:
    evaluation = _evaluation()
    one = replace(evaluation, users=evaluation.users[:1], model=_cut(evaluation.model, 1), baselines=())
    user = int(one.users[0])
    text = markdown(one, RecommendationFigures.of(one))
    section = text.partition("## Sample recommendations")[2].partition("## ")[0]
    right = set(one.held_out[user].indices.tolist()) & set(one.model.top[0, :10].tolist())
    assert right
    assert section.count("**") == 2 * len(right)
    assert f"`user{user}`, {one.history[user].nnz} in the history" in section
    assert f"{len(right)} of {one.held_out[user].nnz} held out" in section


def test_seeds_are_summarised_by_students_t_and_compared_seed_by_seed() -> None:
    runs = _evaluation().seed_runs
    plain = by_variant(runs)["plain"]["recall@20"]
    wanted = ttest_1samp([0.10, 0.12, 0.11], 0).confidence_interval()
    found = [plain.runs, plain.mean, plain.sd, plain.low, plain.high]
    assert found == pytest.approx([3, 0.11, 0.01, wanted.low, wanted.high])
    gap = gaps(runs)["dat - plain"]["recall@20"]
    paired = ttest_rel([0.12, 0.13], [0.10, 0.12]).confidence_interval()
    assert [gap.runs, gap.mean, gap.low, gap.high] == pytest.approx([2, 0.015, paired.low, paired.high])
    single = by_variant(runs[:1])["plain"]["recall@20"]
    assert (single.sd, single.low, single.high) == (None, None, None)
    assert gaps(runs[:3]) == {}
    assert gaps([]) == {}


def test_a_report_without_the_extras_leaves_their_sections_out(tmp_path: Path) -> None:
    whole = _evaluation()
    bare = replace(whole, baselines=(), item_vectors=None, training=(), seed_runs=(), latency=(), user_ids=())
    write_recommendations(tmp_path, bare)
    text = (tmp_path / "report.md").read_text()
    for heading in ("## Seeds", "## Item vectors", "## Latency"):
        assert heading not in text
    assert not (tmp_path / "norms.png").exists()
    assert "diversity@20" not in text.replace("category_diversity@20", "")


def test_a_small_catalogue_fills_its_lists_up() -> None:
    found = RecommendationFigures.of(_evaluation())
    assert found.candidates["dat"].figures["recall@100"] == 1


def test_what_the_model_was_told_may_not_be_what_it_is_judged_by() -> None:
    whole = _evaluation()
    with pytest.raises(ValueError, match="history holds items that are held out"):
        replace(whole, history=csr_matrix(whole.history + whole.held_out))
    told = replace(whole.model, top=np.tile(np.arange(ITEMS_THERE, dtype=np.int32), (len(whole.users), 3))[:, :40])
    with pytest.raises(ValueError, match=r"dat: lists of shape \[\d+, 40\]; the figures need \[\d+, 100\]"):
        replace(whole, model=told)
    long = np.concatenate([told.top, np.full((len(whole.users), 60), -1, dtype=np.int32)], axis=1)
    with pytest.raises(ValueError, match="dat: lists hold items of the users' own history; mask what was seen"):
        replace(whole, model=replace(whole.model, top=long))
    with pytest.raises(ValueError, match="popularity: ranked lists are int32"):
        replace(whole, baselines=[replace(whole.baselines[0], top=whole.model.top.astype(np.int64))])


def test_parts_that_do_not_fit_are_refused() -> None:
    whole = _evaluation()
    with pytest.raises(ValueError, match="differ in shape"):
        replace(whole, held_out=whole.held_out[:, :5])
    with pytest.raises(ValueError, match="every test user needs an item"):
        replace(whole, users=whole.users[:0], model=_cut(whole.model, 0), baselines=())
    with pytest.raises(ValueError, match=r"titles and authors of \[39, 40\]"):
        replace(whole, items=replace(whole.items, titles=whole.items.titles[1:]))
    with pytest.raises(ValueError, match="main cut-off 7 is none of 5, 10"):
        replace(whole, main_cutoff=7)
    with pytest.raises(ValueError, match="no figure is called recall@21; there are recall@5"):
        RecommendationFigures.of(_evaluation({"recall@21": 0.5}))


def test_the_summary_holds_the_figures_asked_for() -> None:
    figures = RecommendationFigures.of(_evaluation())
    found = figures.summary(("recall@20",))
    assert [line.title for line in found.lines] == ["DAT", "popularity"]
    assert show(found.lines[0].intervals["recall@20"]) in markdown(_evaluation(), figures)
