from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from features.fields import FieldConfig, FieldsConfig
from features.people import User
from features.records import Book
from features.towers import TowersConfig
from features.vocabulary import Vocabulary

IDS = Vocabulary(known=("emma", "persuasion"), oov=2)
USER = FieldsConfig(
    record="user",
    fields=(
        FieldConfig(name="history", source="history", tokens="ids", vocabulary=IDS),
        FieldConfig(name="age", source="attributes.age", tokens="bins", edges=(18, 40)),
    ),
)
ITEM = FieldsConfig(
    record="book",
    fields=(
        FieldConfig(name="id", source="id", tokens="ids", vocabulary=IDS),
        FieldConfig(name="title", source="title", tokens="words", vocabulary=Vocabulary(oov=64)),
    ),
)


def test_what_is_written_opens_as_what_it_was(tmp_path: Path) -> None:
    written = TowersConfig(encoders={"user": USER, "item": ITEM}, similarity="dot")
    written.write(tmp_path)
    opened = TowersConfig.open(tmp_path)
    assert opened == written
    user, item = User(history=("emma", "new"), attributes={"age": 20}), Book(id="persuasion", title="Persuasion")
    for towers in (written, opened):
        features = towers.features()
        [of_user], [of_item] = features["user"].encode([user]), features["item"].encode([item])
        assert of_user.arrays["history"][0] == 3
        assert of_item.arrays["id"].tolist() == [4]
        np.testing.assert_array_equal(of_item.arrays["title"], ITEM.fields[1].rows_of([item])[0][0])


def test_an_item_and_a_user_s_history_share_the_rows_of_ids() -> None:
    features = TowersConfig(encoders={"user": USER, "item": ITEM}).features()
    [user] = features["user"].encode([User(history=("persuasion", "new"))])
    items = features["item"].encode([Book(id="persuasion"), Book(id="new")])
    assert user.arrays["history"].tolist() == [row.arrays["id"][0] for row in items]


@pytest.mark.parametrize(
    ("encoders", "words"),
    [
        ({}, "no encoder of items"),
        ({"user": USER}, "no encoder of items"),
        ({"item": USER}, "the encoder of items reads a user"),
        ({"user": ITEM, "item": ITEM}, "the encoder of users reads a book"),
        ({"query": ITEM}, "query"),
    ],
)
def test_sides_that_do_not_fit_are_refused(encoders: dict[str, FieldsConfig], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TowersConfig.model_validate({"encoders": encoders})


def test_a_recommender_of_works_has_one_encoder() -> None:
    towers = TowersConfig(encoders={"item": ITEM})
    assert towers.similarity == "cosine"
    assert list(towers.features()) == ["item"]
