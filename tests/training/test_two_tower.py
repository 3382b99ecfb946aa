"""The recipe of two towers: it learns, never sees what is held out, and goes on after a kill as if nothing had been."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rich.console import Console
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.optim import SparseAdam

import training.two_tower
from features.people import User
from models.fields import FieldBag
from models.two_tower import HISTORY, ITEM, USER, TwoTower
from tests.trained import Home
from tests.trained_recommenders import BOOKS, train_books
from training.baselines.popularity import Popularity
from training.data.holdout import Holdout, hold_out
from training.errors import TrainingError
from training.loop import Result, fit
from training.metrics.topk import per_user
from training.recipes import make_recipe, read_recipe
from training.reproducible import seed_all
from training.run import Run
from training.steps_of_users import Sampler, UserBatch
from training.train import train
from training.trained_two_tower import TrainedTwoTower
from training.two_tower import TwoTowerRecipe

SMALL = ("data.sample.rows=4000", "training.epochs=1")
SAMPLED = ("objective.negatives={kind: sampled, count: 40}",)


def recipe_of(*overrides: str) -> TwoTowerRecipe:
    recipe = make_recipe(read_recipe("books", (*BOOKS, *overrides)))
    assert isinstance(recipe, TwoTowerRecipe)
    recipe.prepare()
    return recipe


def recall(trained: TrainedTwoTower, k: int = 20) -> float:
    """Return the mean recall of the test items."""
    holdout = trained.recipe.holdout
    users = np.flatnonzero(np.diff(holdout.test.indptr))
    top = trained.top(users, holdout.history, k)
    return float(per_user(top, holdout.test[users], (k,))[f"recall@{k}"].mean())


def popular(holdout: Holdout, k: int = 20) -> float:
    """Return the same of recommending what is popular."""
    users = np.flatnonzero(np.diff(holdout.test.indptr))
    ranker = Popularity()
    ranker.fit(holdout.history)
    return float(per_user(ranker.top(users, k), holdout.test[users], (k,))[f"recall@{k}"].mean())


def told(result: Result) -> dict[str, Any]:
    return result.metrics.model_dump(exclude={"seconds"})


def test_both_variants_find_far_more_than_what_is_popular(trained_books: TrainedTwoTower, home: Home) -> None:
    plain = train_books(home, "towers.variant=plain", run="books-plain")
    assert trained_books.module.shape.augmented
    assert not plain.module.shape.augmented
    for trained in (trained_books, plain):
        assert recall(trained) > popular(trained.recipe.holdout) + 0.15


@pytest.mark.parametrize("kind", ["all", "in_batch", "sampled"])
@pytest.mark.parametrize(
    ("fusion", "variant", "similarity"),
    [("sum", "dat", "dot"), ("mlp", "plain", "cosine"), ("gated", "dat", "cosine"), ("mlp", "dat", "dot")],
)
def test_every_way_to_build_and_to_compete_is_trained(
    at_home: Home, tmp_path: Path, kind: str, fusion: str, variant: str, similarity: str
) -> None:
    settings = (
        *SMALL, f"towers.fusion={fusion}", f"towers.variant={variant}", f"towers.similarity={similarity}",
        f"objective.negatives={{kind: {kind}, count: 40}}", "objective.forget=0.1", "reads.user_ids=true",
    )  # fmt: skip
    recipe = recipe_of(*settings)
    result = fit(recipe, tmp_path, "run", console=Console(quiet=True))
    trained = TrainedTwoTower.of(result.run, recipe)
    seed_all(recipe.config.seed, "module")
    initial = recipe.module().state_dict()
    moved = {name for name, weight in trained.module.state_dict().items() if not torch.equal(weight, initial[name])}
    assert moved == initial.keys()
    assert ("item_augmented.weight" in moved) == (variant == "dat")
    users = np.arange(40)
    assert np.isfinite(trained.user_vectors(recipe.holdout.history, users)).all()
    lengths = np.linalg.norm(trained.item_vectors[:, : recipe.config.towers.width], axis=1)
    assert np.allclose(lengths, 1, atol=1e-5) == (similarity == "cosine")


class Sealed:
    """Stands for what nobody may look at; only its size is told."""

    def __init__(self, nnz: int = 0) -> None:
        self.nnz = nnz

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"somebody has looked at what is held out: {name}")


def seal_test(monkeypatch: pytest.MonkeyPatch, recipe: TwoTowerRecipe) -> None:
    """Prepare a recipe so that any look at a test interaction is an error."""

    def divided(data: Any, config: Any) -> Holdout:
        parts = hold_out(data, config)
        return Holdout(parts.train, parts.validation, Sealed(parts.test.nnz))

    monkeypatch.setattr(training.two_tower, "hold_out", divided)
    recipe.prepare()
    sealed: Any = Sealed()
    recipe.data = replace(recipe.data, users=sealed, items=sealed, ratings=sealed, times=sealed)


def test_a_run_never_looks_at_a_test_interaction(
    trained_books: TrainedTwoTower, at_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(read_recipe("books", BOOKS))
    assert isinstance(recipe, TwoTowerRecipe)
    seal_test(monkeypatch, recipe)
    result = fit(recipe, tmp_path, "sealed", console=Console(quiet=True))
    assert result.weights.read_bytes() == trained_books.run.best_weights().read_bytes()  # and a seed fixes every bit
    for look in ("holdout.test.indptr", "data.users.size", "data.items.size"):
        with pytest.raises(AssertionError, match="somebody has looked"):
            attrgetter(look)(recipe)


def pairs(users: Sequence[int] | NDArray[np.int64], lists: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    return {(user, item) for user, items in zip(map(int, users), lists, strict=True) for item in items}


def stored(matrix: csr_matrix) -> set[tuple[int, int]]:
    users, items = matrix.nonzero()
    return set(zip(users.tolist(), items.tolist(), strict=True))


def seen_in_an_epoch(recipe: TwoTowerRecipe) -> tuple[set[Any], set[Any]]:
    """Return all pairs of user and item that the batches of an epoch hold, as histories and as positives."""
    item_of = {int(row): item for item, row in enumerate(recipe.rows_of_items)}
    histories: set[tuple[int, int]] = set()
    positives: set[tuple[int, int]] = set()
    for rows in torch.split(recipe.order(torch.Generator().manual_seed(3)), recipe.config.training.batch_rows):
        batch = recipe.batch(rows, torch.Generator().manual_seed(int(rows[0])))
        users = recipe.sampler.users[rows.numpy()]
        candidates = batch["candidates"]
        places = batch["targets"] if candidates is None else candidates[batch["targets"].clamp_min(0)]
        told = [[item_of[row] for row in found if row] for found in batch["users"][HISTORY].tolist()]
        wanted = [
            [item_of[row] for row, place in zip(found, there, strict=True) if place >= 0]
            for found, there in zip(places.tolist(), batch["targets"].tolist(), strict=True)
        ]
        assert torch.equal(batch["users"][HISTORY], batch["history"])
        assert not pairs(users, told) & pairs(users, wanted)
        histories |= pairs(users, told)
        positives |= pairs(users, wanted)
    return histories, positives


@pytest.mark.parametrize("negatives", [(), SAMPLED], ids=["all", "sampled"])
def test_steps_are_made_of_training_items_alone(at_home: Home, negatives: tuple[str, ...]) -> None:
    recipe = recipe_of("data.sample.rows=4000", "objective.forget_history=0", *negatives)
    histories, positives = seen_in_an_epoch(recipe)
    holdout = recipe.holdout
    dividable = holdout.train.multiply(np.diff(holdout.train.indptr)[:, None] > 1).tocsr()
    assert histories | positives == stored(dividable)
    assert not (histories | positives) & (stored(holdout.validation) | stored(holdout.test))


def test_the_test_above_finds_an_item_that_leaks(at_home: Home) -> None:
    recipe = recipe_of("data.sample.rows=4000")
    holdout = recipe.holdout
    user, item = min(
        pair for pair in stored(holdout.test) if recipe.popularity[pair[1]] > 0 and pair[0] in recipe.sampler.users
    )
    leaky = holdout.train.tolil()
    leaky[user, item] = True
    config = recipe.config
    recipe.sampler = Sampler(leaky.tocsr(), recipe.rows_of_items, config.objective, config.reads.history)
    histories, positives = seen_in_an_epoch(recipe)
    assert (histories | positives) & stored(holdout.test) == {(user, item)}


def test_vocabularies_and_popularity_are_those_of_training_items(at_home: Home) -> None:
    recipe = recipe_of("data.sample.rows=1500", "data.min_item=1", "data.holdout.test=0.6")
    train_part = recipe.holdout.train
    met = train_part.sum(axis=0).A1
    assert (met == 0).sum() > 3
    assert np.array_equal(recipe.popularity, met)
    known = recipe.item_features.config.fields[0].vocabulary
    assert set(known.known) == {name for name, count in zip(recipe.data.item_ids, met, strict=True) if count}
    assert (recipe.rows_of_items[met == 0] == 1).all()
    authors = {field.name: field.vocabulary for field in recipe.item_features.config.fields}["author"]
    counts: dict[str, int] = {}
    for book, count in zip(recipe.books, met, strict=True):
        counts[book.author] = counts.get(book.author, 0) + bool(count)
    assert {name.replace("_", " ") for name in authors.known} == {
        name.casefold() for name, count in counts.items() if count >= recipe.config.reads.min_count
    }
    module = recipe.module()
    assert all(not module.catalogue[name].forwards.to_dense()[:2].any() for name in module.catalogue)  # type: ignore[operator]


def spied_histories(monkeypatch: pytest.MonkeyPatch, recipe: TwoTowerRecipe) -> list[User]:
    """Return a list that fills with the users whose vectors are asked for."""
    spied: list[User] = []
    honest: Callable[..., Any] = TwoTowerRecipe.user_vectors

    def spy(self: TwoTowerRecipe, module: TwoTower, users: Sequence[User], fabric: Any) -> Any:
        spied.extend(users)
        return honest(self, module, users, fabric)

    monkeypatch.setattr(TwoTowerRecipe, "user_vectors", spy)
    return spied


def read_by(recipe: TwoTowerRecipe, users: Sequence[User]) -> set[tuple[int, int]]:
    numbers = {name: number for number, name in enumerate(recipe.data.item_ids)}
    people = {name: number for number, name in enumerate(recipe.data.user_ids)}
    return {(people[str(user.id)], numbers[item]) for user in users for item in user.history}


def test_what_a_user_is_asked_for_is_not_in_the_history(
    trained_books: TrainedTwoTower, at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, holdout = trained_books.recipe, trained_books.recipe.holdout
    spied = spied_histories(monkeypatch, recipe)
    recipe.validate(trained_books.module, trained_books.fabric())
    validated = np.flatnonzero(np.diff(holdout.validation.indptr))
    assert [user.id for user in spied] == [recipe.data.user_ids[user] for user in validated]
    assert read_by(recipe, spied) == {pair for pair in stored(holdout.train) if pair[0] in validated}

    spied.clear()
    top = trained_books.top(np.arange(len(recipe.data.user_ids)), holdout.history, 20)
    assert read_by(recipe, spied) == stored(holdout.train) | stored(holdout.validation)
    assert not read_by(recipe, spied) & stored(holdout.test)
    listed = pairs(np.arange(len(top)), [[item for item in row if item >= 0] for row in top.tolist()])
    assert not listed & stored(holdout.history)
    assert listed & stored(holdout.test)


def gradients(recipe: TwoTowerRecipe, batch: UserBatch) -> dict[str, Tensor]:
    torch.manual_seed(0)
    module = recipe.module()
    for bag in (module.user_augmented, module.item_augmented):
        assert isinstance(bag, FieldBag)
    with torch.no_grad():
        for head in (module.user_head, module.item_head):
            assert head.project is not None
            head.project.weight.normal_(std=0.1)
    torch.autograd.backward(recipe.objective(module, batch).loss)
    found = {name: each.grad for name, each in module.named_parameters() if each.grad is not None}
    return {name: grad.to_dense() if grad.is_sparse else grad for name, grad in found.items()}


@pytest.mark.parametrize("negatives", [(), SAMPLED], ids=["all", "sampled"])
def test_what_is_mimicked_is_held_still(at_home: Home, negatives: tuple[str, ...]) -> None:
    """The mimic losses move augmented vectors and nothing else: not the towers, and not the heads that read them."""
    recipes = [recipe_of(*SMALL, *negatives, f"objective.mimic={weight}") for weight in (0, 3)]
    batch = recipes[0].batch(torch.arange(32), torch.Generator().manual_seed(0))
    without, mimicking = (gradients(recipe, batch) for recipe in recipes)
    assert without.keys() == mimicking.keys()
    augmented = {"user_augmented.weight", "item_augmented.weight"}
    for name in without.keys() - augmented:
        torch.testing.assert_close(mimicking[name], without[name], msg=name)
    for name in augmented:
        assert not torch.allclose(mimicking[name], without[name])


@pytest.mark.parametrize("negatives", [(), SAMPLED], ids=["all", "sampled"])
def test_rows_of_nothing_and_of_the_unknown_are_never_trained(
    at_home: Home, tmp_path: Path, negatives: tuple[str, ...]
) -> None:
    recipe = recipe_of(*SMALL, *negatives, "reads.user_ids=true")
    result = fit(recipe, tmp_path, "run", console=Console(quiet=True))
    module = TrainedTwoTower.of(result.run, recipe).module
    tables = [module.user_ids, module.item_ids, module.history, module.user_augmented, module.item_augmented]
    for table in tables:
        assert table is not None
        assert table.weight[:2].abs().sum() == 0
        assert (table.weight[2:].norm(dim=1) > 0).all()
    assert module.bias[:2].abs().sum() == 0


def test_plain_towers_have_one_loss_and_augmented_ones_four(at_home: Home) -> None:
    for variant, parts in (("plain", ["softmax"]), ("dat", ["softmax", "user_mimic", "item_mimic", "alignment"])):
        recipe = recipe_of(*SMALL, f"towers.variant={variant}")
        batch = recipe.batch(torch.arange(32), torch.Generator().manual_seed(0))
        objective = recipe.objective(recipe.module(), batch)
        assert list(objective.parts) == parts
        weights = [1, recipe.config.objective.mimic, recipe.config.objective.mimic, recipe.config.objective.alignment]
        total = sum(weight * objective.parts[name] for weight, name in zip(weights, parts, strict=False))
        torch.testing.assert_close(objective.loss.detach(), total)


def test_augmented_towers_may_read_ids_alone(at_home: Home, tmp_path: Path) -> None:
    recipe = recipe_of(*SMALL, "reads.item=[]", "reads.user=[]", "objective.alignment=0")
    assert fit(recipe, tmp_path, "run", console=Console(quiet=True)).metrics.best.train["alignment"] == 0


def test_too_few_users_to_validate_anything_are_told(at_home: Home) -> None:
    with pytest.raises(TrainingError, match=r"raise data\.holdout\.validation_users"):
        recipe_of("data.holdout.validation_users=0.00001")


def test_every_weight_is_in_one_optimiser_and_only_tables_decay(at_home: Home) -> None:
    for negatives in ((), SAMPLED):
        recipe = recipe_of(*SMALL, *negatives, "training.weight_decay=0.3")
        module = recipe.module()
        optimizers = recipe.optimizers(module)
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        held = [names[id(parameter)] for group in groups for parameter in group["params"]]
        assert sorted(held) == sorted(names.values())
        decaying = {
            names[id(one)] for group in groups if group.get("weight_decay") for one in group["params"]
        }  # fmt: skip
        tables = {f"{name}.weight" for name, bag in module.named_modules() if isinstance(bag, FieldBag)}
        sparse = {
            names[id(one)]
            for optimizer in optimizers
            if isinstance(optimizer, SparseAdam)
            for group in optimizer.param_groups
            for one in group["params"]
        }
        assert decaying == tables - sparse
        assert bool(sparse) == bool(negatives)


class KilledError(Exception):
    """Stands for SIGKILL between two steps."""


def test_a_run_with_sparse_optimisers_goes_on_as_if_it_had_never_stopped(
    at_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*BOOKS, *SMALL, *SAMPLED, "training.epochs=2", "training.checkpoint_every_steps=2")
    quiet = Console(quiet=True)
    whole = train("books", settings, root=tmp_path, run_name="whole", console=quiet)
    steps, epoch, honest = 0, whole.metrics.history[0].step, TwoTowerRecipe.objective

    def killing(self: TwoTowerRecipe, module: Any, batch: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == epoch + 4:
            raise KilledError
        return honest(self, module, batch)

    with monkeypatch.context() as patch:
        patch.setattr(TwoTowerRecipe, "objective", killing)
        with pytest.raises(KilledError):
            train("books", settings, root=tmp_path, run_name="killed", console=quiet)
    last = Run.find(tmp_path, "killed").last_checkpoint()
    assert last is not None
    assert epoch < int(last.name.removeprefix("step-")) < 2 * epoch
    resumed = train("books", settings, root=tmp_path, run_name="killed", console=quiet)
    assert told(resumed) == told(whole)
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()
    states = [path / "optimizers.safetensors" for run in (resumed.run, whole.run) if (path := run.last_checkpoint())]
    assert states[0].read_bytes() == states[1].read_bytes()


def test_towers_that_are_opened_are_those_of_the_best_epoch(trained_books: TrainedTwoTower, at_home: Home) -> None:
    figures = trained_books.recipe.validate(trained_books.module, trained_books.fabric())
    assert figures == pytest.approx(trained_books.metrics.best.validation)


def test_users_and_items_that_nobody_knows_have_vectors(trained_books: TrainedTwoTower) -> None:
    recipe, module = trained_books.recipe, trained_books.module
    fabric = trained_books.fabric()
    strangers = [
        User(), User(id="new"), User(history=("nothing",)), User(id="new", attributes={"country": "japan", "age": 31}),
        User(attributes={"country": "atlantis", "age": 1e6}),
    ]  # fmt: skip
    vectors = recipe.user_vectors(module, strangers, fabric)
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert np.abs(vectors[3] - vectors[1]).max() > 0.01
    rows = recipe.item_features.encode([recipe.books[0].model_copy(update={"id": "new"}), recipe.books[0]])
    unknown, known = recipe._vectors(module.item_encoder(), recipe.item_features, rows, fabric)
    assert np.isfinite(unknown).all()
    assert np.abs(unknown - known).max() > 0.01
    assert rows[0].arrays[ITEM].tolist() == [1]
    assert USER in recipe.user_features.collate(recipe.train_rows[:1]).inputs
