"""What the towers read is fitted on training rows; what a history holds has nothing to do with it."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix

from features.people import User
from features.records import Book
from features.towers import TowersConfig
from features.vocabulary import Vocabulary
from models.two_tower import HISTORY, ITEM, USER
from training.errors import TrainingError
from training.recipes import read_recipe
from training.tower_features import book_records, fit_features, user_records
from training.two_tower_config import TwoTowerConfig

BOOKS = [
    Book(id="1", title="The Long Rain", author="Ada Abel, Bo Brun", year=1987, publisher="Lantern", tags=("fantasy",)),
    Book(id="2", title="The Long Night", author="Ada Abel", year=1983, publisher="Lantern", tags=("fantasy",)),
    Book(id="3", title="Long Gone", author="Cy Cole", year=1991, publisher="Paper Mill", tags=("crime", "fantasy")),
    Book(id="4", title="Zzyzx Long", author="Ada Abel", year=1985, publisher="Lantern", tags=("crime",)),
]
PEOPLE = [
    User(id="a", history=("1", "2"), attributes={"country": "japan", "age": 31}),
    User(id="b", history=("4",), attributes={"country": "spain", "age": 33}),
    User(id="c", attributes={"country": "japan"}),
]
TRAINED, ACTIVE = np.array([True, True, True, False]), np.array([True, False, True])


def config_of(*overrides: str) -> TwoTowerConfig:
    config = read_recipe("books", ("reads.user=[country, age]", *overrides))
    assert isinstance(config, TwoTowerConfig)
    return config


def fitted(*overrides: str) -> TowersConfig:
    return fit_features(config_of(*overrides), BOOKS, PEOPLE, TRAINED, ACTIVE)


def vocabularies(towers: TowersConfig, side: Any) -> dict[str, Vocabulary]:
    return {field.name: field.vocabulary for field in towers.encoders[side].fields}


def test_only_items_and_users_of_training_have_a_row() -> None:
    towers = fitted("towers.variant=dat", "reads.min_count=1")
    items, users = vocabularies(towers, "item"), vocabularies(towers, "user")
    assert items[ITEM].known == users[HISTORY].known == ("1", "2", "3")
    assert users[USER].known == ("a", "c")
    assert not items["words"].is_known("zzyzx")
    assert not users["country"].is_known("spain")
    assert users["country"].is_known("japan")


def test_the_two_towers_number_items_alike() -> None:
    towers = fitted()
    names = ["3", "1", "nobody's"]
    assert np.array_equal(
        vocabularies(towers, "item")[ITEM].rows_of(names), vocabularies(towers, "user")[HISTORY].rows_of(names)
    )


def test_what_is_rare_in_training_shares_rows_of_the_unknown() -> None:
    items = vocabularies(fitted("reads.min_count=2", "reads.unknown=5"), "item")
    assert items["author"].known == ("ada_abel",)
    assert items["publisher"].known == ("lantern",)
    assert items["decade"].known == ("1980",)
    assert items["words"].known == ("long", "the")
    assert all(vocabulary.oov == 5 for name, vocabulary in items.items() if name != ITEM)


def test_what_histories_hold_is_not_looked_at() -> None:
    others = [user.model_copy(update={"history": ("4", "4", "9")}) for user in PEOPLE]
    assert fit_features(config_of(), BOOKS, others, TRAINED, ACTIVE) == fit_features(
        config_of(), BOOKS, PEOPLE, TRAINED, ACTIVE
    )


@pytest.mark.parametrize(
    ("variant", "user_ids", "there"), [("plain", False, False), ("plain", True, True), ("dat", False, True)]
)
def test_who_it_is_is_read_where_something_hangs_on_it(variant: str, user_ids: bool, there: bool) -> None:
    towers = fitted(f"towers.variant={variant}", f"reads.user_ids={user_ids}")
    assert (USER in vocabularies(towers, "user")) == there


def test_which_fields_are_read_can_be_chosen() -> None:
    towers = fitted("reads.item=[tags, decade]", "reads.user=[]", "towers.variant=plain", "reads.history=7")
    assert list(vocabularies(towers, "item")) == [ITEM, "tags", "decade"]
    assert list(vocabularies(towers, "user")) == [HISTORY]
    assert towers.encoders["user"].fields[0].max_values == 7


def test_the_category_that_is_aligned_has_to_be_read() -> None:
    for trains_augmented in ("towers.variant=dat", "evaluation.seeds=[1]"):
        with pytest.raises(TrainingError, match=r"objective.category 'decade' is not among reads.item"):
            config_of(trains_augmented, "reads.item=[author]")
    config_of("towers.variant=dat", "reads.item=[author]", "objective.alignment=0")
    config_of("towers.variant=plain", "evaluation.seeds=[]", "reads.item=[author]")


def test_rows_of_frames_become_records() -> None:
    books = pl.DataFrame(
        {"id": ["1", "2"], "title": ["Rain", ""], "author": ["A, B", ""], "year": [1987, None], "publisher": ["", "X"]},
    ).with_columns(tags=pl.Series([["fantasy"], []], dtype=pl.List(pl.String)), other=pl.lit(1))
    first, second = book_records(books)
    assert first == Book(id="1", title="Rain", author="A, B", year=1987, tags=("fantasy",))
    assert second == Book(id="2", publisher="X")

    people = pl.DataFrame({"id": ["a", "b"], "country": ["japan", ""], "age": [31, None]})
    histories = csr_matrix(np.array([[False, True, True], [False, False, False]]))
    one, other = user_records(people, ["x", "y", "z"], histories)
    assert one == User(id="a", history=("y", "z"), attributes={"country": "japan", "age": 31})
    assert other == User(id="b")
