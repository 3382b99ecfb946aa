"""A recommender's bundle is opened whole: encoders, catalogue, histories, index; a part that does not fit is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bundle.bundle import Bundle
from bundle.catalogue import VECTORS_FILE
from bundle.errors import BundleError
from bundle.histories import ATTRIBUTES_FILE, HISTORIES_FILE, USERS_FILE
from bundle.manifest import Role
from features.pipeline import FEATURES_FILE
from serving.bounds import Cost
from serving.loading import load_engines, load_model
from serving.opening import OpenedRecommender, open_parts
from serving.recommender.model import RecommenderModel
from serving.settings import Settings
from training.trained_two_tower import TrainedTwoTower


@pytest.fixture
def copied(exported_books: Bundle, tmp_path: Path) -> Bundle:
    """The bundle in a folder where it may be spoilt."""
    shutil.copytree(exported_books.root, tmp_path / "copy")
    return Bundle.open(tmp_path / "copy")


def test_all_parts_of_a_recommender_are_opened(exported_books: Bundle, trained_books: TrainedTwoTower) -> None:
    parts = open_parts(exported_books)
    assert isinstance(parts, OpenedRecommender)
    assert set(parts.encoders) == {Role.USER, Role.ITEM}
    assert parts.cost is Cost.BAG
    assert parts.catalogue.ids == trained_books.recipe.data.item_ids
    assert parts.histories is not None
    assert parts.histories.of(trained_books.recipe.data.user_ids[0]) is not None
    for role, features in parts.encoders.items():
        assert len(features.encode(parts.golden_inputs(role))) == len(exported_books.golden_of(role).outputs)


async def test_its_encoders_pass_their_self_tests_and_the_model_knows_what_it_reads(exported_books: Bundle) -> None:
    _, engines = load_engines(str(exported_books.tag), Settings(models=[]))
    assert {engine.role for engine in engines} == {Role.USER, Role.ITEM}
    model = load_model(str(exported_books.tag), Settings(models=[]))
    assert isinstance(model, RecommenderModel)
    assert model.attributes == ("country", "age")
    assert "graphs/user.fp32.onnx and graphs/item.fp32.onnx" in model.placement.graph
    await model.check(20)
    assert model.last_success_age_s < 20
    model.close()


def test_a_recommender_without_known_readers_is_opened_too(copied: Bundle) -> None:
    for file in (HISTORIES_FILE, USERS_FILE, ATTRIBUTES_FILE):
        (copied.root / file).unlink()
    parts = open_parts(copied)
    assert isinstance(parts, OpenedRecommender)
    assert parts.histories is None


def narrow(root: Path) -> None:
    np.save(root / VECTORS_FILE, np.load(root / VECTORS_FILE)[:, :-1])


def shorten(root: Path) -> None:
    np.save(root / VECTORS_FILE, np.load(root / VECTORS_FILE)[:-1])


def misread(root: Path) -> None:
    features = json.loads((root / FEATURES_FILE).read_text())
    features["encoders"]["item"]["record"] = "paper"
    (root / FEATURES_FILE).write_text(json.dumps(features))


def remove(file: str) -> Callable[[Path], None]:
    return lambda root: (root / file).unlink()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (narrow, f"{VECTORS_FILE}: vectors of .* dimensions, the manifest says"),
        (shorten, VECTORS_FILE),
        (misread, FEATURES_FILE),
        (remove(FEATURES_FILE), FEATURES_FILE),
        (remove(VECTORS_FILE), VECTORS_FILE),
        (remove(USERS_FILE), USERS_FILE),
        (remove("index/facets.npz"), "index/facets.npz"),
    ],
)
def test_a_part_that_is_missing_or_does_not_fit_is_named(
    copied: Bundle, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(copied.root)
    with pytest.raises(BundleError, match=told):
        open_parts(copied)
