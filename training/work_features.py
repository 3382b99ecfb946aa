"""What the encoder of works reads: records, bare ones too, and vocabularies and rarities of training works."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.dense import DenseConfig
from features.fields import FieldConfig, FieldsConfig
from features.rows import FeatureRow
from features.towers import TowersConfig
from features.vocabulary import Vocabulary
from features.works import DENSE, Tags, Work
from training.data.works import Works
from training.works_config import WorkReadingConfig

WORDS, FREEFORM = "words", "freeform"
FIELDS = {
    WORDS: FieldConfig(
        name=WORDS, source=("title", "tags.freeform", "summary"), tokens="words", ngrams=(1,), characters=(4,),
        distinct=True, max_values=2048,
    ),
    FREEFORM: FieldConfig(name=FREEFORM, source=("tags.freeform",), distinct=True, max_values=128),
    "fandom": FieldConfig(name="fandom", source=("tags.fandom",), distinct=True, max_values=16),
    "category": FieldConfig(name="category", source=("tags.category",), distinct=True, max_values=8),
    "rating": FieldConfig(name="rating", source=("tags.rating",), distinct=True, max_values=4),
    "relationship": FieldConfig(name="relationship", source=("tags.relationship",), distinct=True, max_values=32),
    "people": FieldConfig(
        name="people", source=("tags.character", "tags.relationship"), tokens="words", ngrams=(1, 2), distinct=True,
        max_values=256,
    ),
    "warning": FieldConfig(name="warning", source=("tags.warning",), distinct=True, max_values=8),
    "author": FieldConfig(name="author", source=("authors",), distinct=True, max_values=8),
    "language": FieldConfig(name="language", source=("language",), max_values=1),
}  # fmt: skip
"""Without their vocabularies. People are told apart by words, so that each spelling of a ship has its two names."""
DROPPED = (WORDS, FREEFORM)
"""Fields of many tokens, of which some are hidden in training."""


def work_records(works: Works, rows: NDArray[np.int64] | None = None) -> list[Work]:
    """Return the record of each work, or of each of the given rows."""
    known = Work.model_fields.keys()
    records = works.records(rows)
    return [Work.model_validate({name: value for name, value in one.items() if name in known}) for one in records]


def bare(work: Work) -> Work:
    """Return a work of which nothing is told but its title and its free tags."""
    return Work(title=work.title, tags=Tags(freeform=work.tags.freeform))


def fit_features(reads: WorkReadingConfig, works: Sequence[Work]) -> TowersConfig:
    """Fit vocabularies and the scales of numbers on training works."""
    fields = [_fitted(FIELDS[name], reads, works) for name in reads.fields]
    dense = DenseConfig.fit(DENSE, [work.numbers() for work in works]) if reads.numbers else None
    return TowersConfig(encoders={"item": FieldsConfig(record="work", fields=tuple(fields), dense=dense)})


def rarities(rows: Sequence[FeatureRow], field: FieldConfig) -> NDArray[np.float32]:
    """Return how rare each row of a field's table is in training works, float32 [table rows], 1 for the rarest.

    The smoothed inverse document frequency, log((1 + works) / (1 + works that have it)) + 1, over its largest value; 0
    for padding.
    """
    seen = np.zeros(field.vocabulary.rows)
    np.add.at(seen, np.concatenate([np.unique(row.arrays[field.name]) for row in rows]), 1)
    inverse = np.log((1 + len(rows)) / (1 + seen)) + 1  # [table rows]
    inverse[0] = 0
    scaled: NDArray[np.float32] = (inverse / (math.log(1 + len(rows)) + 1)).astype(np.float32)
    return scaled


def _fitted(field: FieldConfig, reads: WorkReadingConfig, works: Sequence[Work]) -> FieldConfig:
    if field.name == WORDS:  # hashed as they are: nothing is known, and nothing has to be shipped
        return field.model_copy(update={"vocabulary": Vocabulary(oov=1 << reads.bits)})
    return field.fitted(works, reads.unknown, reads.min_count)
