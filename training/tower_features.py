"""What the towers read: the records of items and users, and vocabularies fitted on training rows."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from features.fields import FieldConfig, FieldsConfig
from features.people import User
from features.records import Book
from features.towers import TowersConfig
from features.vocabulary import Vocabulary
from models.two_tower import HISTORY, ITEM, USER
from training.two_tower_config import TwoTowerConfig

AGES = (18, 25, 35, 45, 55, 65)
MAX_WORDS = 16
FIELDS = {
    "author": FieldConfig(name="author", source=("author",), split=",", max_values=4),
    "publisher": FieldConfig(name="publisher", source=("publisher",), max_values=1),
    "decade": FieldConfig(name="decade", source=("year",), tokens="decade", max_values=1),
    "words": FieldConfig(name="words", source=("title",), tokens="words", ngrams=(1,), max_values=MAX_WORDS),
    "tags": FieldConfig(name="tags", source=("tags",), max_values=32),
    "country": FieldConfig(name="country", source=("attributes.country",), max_values=1),
    "age": FieldConfig(name="age", source=("attributes.age",), tokens="bins", edges=AGES, max_values=1),
}
"""Without their vocabularies."""


def book_records(books: pl.DataFrame) -> list[Book]:
    """Return the record of each item of a frame."""
    columns = [name for name in ("id", "title", "author", "year", "publisher", "tags") if name in books.columns]
    return [Book.model_validate(row) for row in books.select(columns).iter_rows(named=True)]


def user_records(people: pl.DataFrame, item_ids: Sequence[str], histories: csr_matrix) -> list[User]:
    """Return the record of each user of a frame, with the history that stands in the same row, [users, items]."""
    names = np.array(item_ids, dtype=np.object_)
    attributes = [name for name in ("country", "age") if name in people.columns]
    return [
        User(
            id=row["id"],
            history=tuple(names[histories.indices[begin:end]]),
            attributes={name: row[name] for name in attributes if row[name] not in (None, "")},
        )
        for row, begin, end in zip(
            people.iter_rows(named=True), histories.indptr[:-1], histories.indptr[1:], strict=True
        )
    ]


def fit_features(
    config: TwoTowerConfig,
    books: Sequence[Book],
    users: Sequence[User],
    trained: NDArray[np.bool_],
    active: NDArray[np.bool_],
) -> TowersConfig:
    """Fit the vocabularies of both towers.

    Args:
        config: The recipe.
        books: Of all items.
        users: Of all users; what their histories hold is not looked at.
        trained: Which items training rows have; the others stay unknown.
        active: The same of users.
    """
    reads = config.reads
    seen = [book for book, there in zip(books, trained, strict=True) if there]
    present = [user for user, there in zip(users, active, strict=True) if there]
    items = Vocabulary(known=tuple(str(book.id) for book in seen))
    of_items = [FieldConfig(name=ITEM, source=("id",), tokens="ids", max_values=1, vocabulary=items)]
    of_items += [FIELDS[name].fitted(seen, reads.unknown, reads.min_count) for name in reads.item]
    history = FieldConfig(name=HISTORY, source=("history",), tokens="ids", max_values=reads.history, vocabulary=items)
    of_users = [FIELDS[name].fitted(present, reads.unknown, reads.min_count) for name in reads.user]
    if reads.user_ids or config.augmented:
        known = Vocabulary(known=tuple(str(user.id) for user in present))
        of_users.insert(0, FieldConfig(name=USER, source=("id",), tokens="ids", max_values=1, vocabulary=known))
    return TowersConfig(
        similarity="dot",  # of unit vectors or not, and the bias
        encoders={
            "user": FieldsConfig(record="user", fields=(history, *of_users)),
            "item": FieldsConfig(record="book", fields=tuple(of_items)),
        },
    )
