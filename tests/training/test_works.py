"""The recipe of works: it learns, never sees what is held out, and takes whatever a work lacks."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from lightning_fabric import Fabric
from rich.console import Console
from torch import Tensor

from features.works import Tags, Work
from models.works import DENSE
from tests.trained import Home
from tests.trained_recommenders import WORKS, train_works
from training.data.fanworks import KINDS
from training.data.sample_works import sample_works
from training.errors import TrainingError
from training.metrics.neighbours import agreement, chance_agreement, nearest, sets_of
from training.recipes import make_recipe, read_recipe
from training.reproducible import seed_all
from training.train import train
from training.trained_works import TrainedWorks
from training.work_features import bare, rarities
from training.work_neighbours import neighbours
from training.works import SparseFieldsRecipe

pytestmark = pytest.mark.usefixtures("at_home")


def recipe_of(*overrides: str) -> SparseFieldsRecipe:
    recipe = make_recipe(read_recipe("works", (*WORKS, "data.sample_rows=300", *overrides)))
    assert isinstance(recipe, SparseFieldsRecipe)
    recipe.prepare()
    return recipe


def draw(recipe: SparseFieldsRecipe, rows: int = 60, seed: int = 0) -> dict[str, Any]:
    return dict(recipe.batch(torch.arange(rows), torch.Generator().manual_seed(seed)))


def names(recipe: SparseFieldsRecipe) -> tuple[str, ...]:
    return recipe.module().names


def test_neighbours_of_works_that_were_never_seen_share_their_ships(trained_works: TrainedWorks) -> None:
    recipe = trained_works.recipe
    queries = recipe.data.test
    ships = sets_of(recipe.data.tags("relationship").to_list())
    chance = chance_agreement(ships, queries).mean()
    shared = agreement(neighbours(trained_works.bare[queries], queries, trained_works.bare, 10), ships[queries], ships)
    whole = agreement(neighbours(trained_works.whole[queries], queries, trained_works.whole, 10), ships[queries], ships)
    assert shared.mean() > 8 * chance
    assert whole.mean() > 0.8
    assert trained_works.metrics.best.validation.keys() == {"fandom@10", "ship@10"}
    losses = [epoch.train["listnet"] for epoch in trained_works.metrics.history]
    assert losses[-1] < losses[0] - 0.3


def altered(path: Path, recipe: SparseFieldsRecipe, rows: np.ndarray[Any, np.dtype[np.int64]]) -> str:
    """Write the recipe's works with some of them given tags that nobody else has; returns the override."""
    works = recipe.data.frame.to_dicts()
    for at in rows.tolist():
        works[at]["tags"] |= {kind: [f"secret {kind} {at % 3}"] for kind in KINDS}
        works[at]["title"] = f"Secret {at % 3}"
        works[at]["statistics"]["kudos"] = 10**9
    pl.DataFrame(works, schema=recipe.data.frame.schema).write_parquet(path)
    return f"data.path={path}"


def trained_on(home: Home, path: Path, *overrides: str) -> tuple[SparseFieldsRecipe, dict[str, Tensor]]:
    few = ("data.sample_rows=300", "training.epochs=1", "reads.numbers=true", "candidates.related=1")
    found = train_works(home, *few, *overrides, run="leak", root=path)
    return found.recipe, found.module.state_dict()


def test_nothing_of_test_works_reaches_what_is_learnt(home: Home, tmp_path: Path) -> None:
    recipe, weights = trained_on(home, tmp_path / "a")
    secret, same = trained_on(home, tmp_path / "b", altered(tmp_path / "b.parquet", recipe, recipe.data.test))
    assert "secret fandom 0" in secret.data.tags("fandom")[recipe.data.test].explode().to_list()
    assert secret.features.config == recipe.features.config
    assert weights.keys() == same.keys()
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    seen, other = trained_on(home, tmp_path / "c", altered(tmp_path / "c.parquet", recipe, recipe.data.train[:9]))
    assert seen.features.config != recipe.features.config
    assert any(weights[name].shape != other[name].shape for name in weights)


def test_bare_works_show_nothing_but_title_and_free_tags() -> None:
    recipe = recipe_of("objective.bare=1", "objective.token_dropout=0", "reads.numbers=true")
    shown = dict(zip(names(recipe), draw(recipe)["works"], strict=True))
    alone = recipe.features.encode([bare(recipe.records[at]) for at in recipe.data.train[:60]])
    expected = recipe.features.collate(alone).inputs
    assert shown.keys() == expected.keys()
    for name, feature in shown.items():
        assert np.array_equal(feature, expected[name])
    assert [name for name, feature in shown.items() if feature.any()] == ["words", "freeform", DENSE]


def test_whole_works_hide_some_fields_but_never_all() -> None:
    recipe = recipe_of("objective.bare=0", "objective.field_dropout=0.9", "objective.token_dropout=0")
    shown = dict(zip(names(recipe), draw(recipe, 200)["works"], strict=True))
    there = torch.stack([feature.any(dim=1) for feature in shown.values()], dim=1)  # [works, fields]
    assert there.any(dim=1).all()
    share = dict(zip(shown, there.float().mean(dim=0).tolist(), strict=True))
    assert 0.02 < share["fandom"] < 0.25
    assert share["words"] > 0.4  # half of the works would show nothing, and show title and free tags
    everything = recipe_of("objective.bare=0", "objective.field_dropout=0", "objective.token_dropout=0")
    assert all(feature.any(dim=1).all() for feature in draw(everything)["works"])


def test_words_and_free_tags_are_hidden_and_the_other_fields_are_not() -> None:
    settings = ("objective.bare=0", "objective.field_dropout=0")
    whole = draw(recipe_of(*settings, "objective.token_dropout=0"))["works"]
    half = recipe_of(*settings, "objective.token_dropout=0.5")
    for name, feature, rest in zip(names(half), whole, draw(half)["works"], strict=True):
        kept = ((rest > 0).sum() / (feature > 0).sum()).item()
        assert (0.4 < kept < 0.6) if name in ("words", "freeform") else kept == 1


def test_relevance_is_between_training_works_and_a_list_leaves_out_its_anchor() -> None:
    recipe = recipe_of("candidates.related=2")
    batch = draw(recipe, 40)
    anchors, works = batch["relevance"].shape
    assert anchors == 40
    assert works > 40
    assert all(len(feature) == works for feature in (*batch["works"], *batch["noisy"]))
    ships = recipe.data.tags("relationship")[recipe.data.train].to_list()
    fandoms = recipe.data.tags("fandom")[recipe.data.train].to_list()
    for a in range(40):
        for b in range(40):
            expected = bool({*ships[a]} & {*ships[b]}) + 0.3 * (fandoms[a] == fandoms[b]) if a != b else 0
            assert batch["relevance"][a, b] == pytest.approx(expected)
    assert not batch["there"].diagonal().any()
    assert batch["there"].any(dim=1).equal(batch["relevance"].any(dim=1))


def test_shared_readers_count_where_they_are_given(tmp_path: Path) -> None:
    readers = [["ann", "bob"] if at % 2 else ["cy"] for at in range(300)]
    sample_works(300).with_columns(readers=pl.Series(readers)).write_parquet(tmp_path / "read.parquet")
    only = ("candidates.shared={}", "candidates.readers=2.0")
    recipe = recipe_of(f"data.path={tmp_path / 'read.parquet'}", *only)
    odd = torch.from_numpy(recipe.data.train[:60] % 2 == 1)
    expected = 2.0 * (odd[:, None] == odd[None]) * ~torch.eye(60, dtype=torch.bool)
    torch.testing.assert_close(draw(recipe)["relevance"], expected)
    with pytest.raises(TrainingError, match=r"no column 'readers'; set candidates\.readers to 0"):
        recipe_of(*only)


@pytest.mark.parametrize("lacking", [KINDS, ("relationship", "fandom"), ("freeform",)])
def test_works_that_lack_whole_kinds_of_tags_train_all_the_same(
    home: Home, tmp_path: Path, lacking: tuple[str, ...]
) -> None:
    works = sample_works(300).to_dicts()
    for work in works:
        work["tags"] |= {kind: [] for kind in lacking}
    pl.DataFrame(works, schema=sample_works(1).schema).write_parquet(tmp_path / "few.parquet")
    settings = (*WORKS, f"data.path={tmp_path / 'few.parquet'}", "training.epochs=1")
    found = train("works", settings, root=tmp_path, console=Console(quiet=True))
    assert np.isfinite(list(found.metrics.best.train.values())).all()
    assert np.isfinite(list(found.metrics.best.validation.values())).all()


def test_no_tag_title_or_author_is_too_strange() -> None:
    recipe = recipe_of("reads.numbers=true", "reads.fields=[words, freeform, fandom, people, author, language]")
    strange = [
        Work(), Work(title="\x00 ?!"), Work(authors=("nobody",), language="Quenya"), Work(summary="x" * 100_000),
        Work(tags=Tags(fandom=("🦊",) * 40, relationship=("/", "&", "a/b/c"), freeform=("never heard of",) * 300)),
    ]  # fmt: skip
    seed_all(0)
    vectors = recipe.vectors(recipe.module().eval(), strange, Fabric(accelerator="cpu", devices=1))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_rare_words_count_more_than_common_ones_and_padding_nothing() -> None:
    recipe = recipe_of()
    field = next(field for field in recipe.features.config.fields if field.name == "freeform")
    found = rarities(recipe.encoded.whole, field)
    seen = [0.0] * field.vocabulary.rows
    for at in recipe.data.train:
        for row in {*field.vocabulary.rows_of(field.tokens_of(recipe.records[at])).tolist()}:
            seen[row] += 1
    most = np.log(1 + recipe.rows) + 1
    expected = (np.log((1 + recipe.rows) / (1 + np.array(seen))) + 1) / most
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-5)
    assert found[0] == 0
    assert found.max() <= 1


def test_the_linear_ablation_has_neither_products_nor_layers() -> None:
    linear, deep = (recipe_of(f"encoder.variant={name}").module() for name in ("linear", "deep"))
    assert linear.layers is None
    assert not linear.interactions
    assert deep.layers is not None
    assert deep.interactions


def test_neighbours_are_those_of_a_full_sort(trained_works: TrainedWorks) -> None:
    rows = np.array([5, 0, 7])
    found = neighbours(trained_works.whole[rows], rows, trained_works.whole, 4)
    assert np.array_equal(found, nearest(trained_works.whole, rows, 4))


def test_a_recipe_without_anything_bare_or_relevant_is_refused() -> None:
    for wrong, told in (
        ("reads.fields=[fandom, people]", "needs `words` or `freeform`"),
        ("candidates.shared={relationship: 0, fandom: 0}", "worths are 0 or more"),
        ("candidates.shared={ship: 1}", "candidates.shared.ship"),
    ):
        with pytest.raises(TrainingError, match=told):
            read_recipe("works", (wrong,))
