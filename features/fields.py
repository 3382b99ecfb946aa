"""Records -> ids of what is in their fields, and scaled numbers: what the towers of a recommender read.

Every field becomes a bag of rows of its own table, padded by itself with row 0, whose vector is zero; so there are no
masks. Whatever a record holds or lacks, it can be encoded.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, FiniteFloat, model_validator

from features.dense import DenseConfig
from features.labels import Derived, Strict
from features.lenient import number
from features.people import User
from features.record import Record, RecordError, has_source, known_fields, read_record, strings_at
from features.records import RECORDS
from features.rows import Array, FeatureRow, Feed, pad
from features.vocabulary import PADDING, Rows, Vocabulary
from features.words import ngrams_of, normalise

DENSE = "dense"
"""Name of the array that holds the scaled numbers."""

Subject = Literal["book", "paper", "work", "user"]
"""What an encoder reads."""
SUBJECTS: Mapping[Subject, type[Record]] = RECORDS | {"user": User}

Paths = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]


class FieldConfig(Derived):
    """One bag of ids: where its tokens come from, and the rows they have."""

    name: str = Field(pattern="^[a-z][a-z0-9_]*$")
    """Of the array, and of the graph's input."""
    source: Paths = Field(min_length=1)
    """Dotted path into the record, or several whose values follow each other."""
    tokens: Literal["values", "ids", "words", "decade", "bins"] = "values"
    """values: each as a whole, casefolded; ids: each as it comes; words: n-grams of each value's words; decade: of a
    year; bins: the number of edges that a number reaches."""
    split: str = ""
    """What separates several values in one string, such as a comma between authors; empty: nothing does."""
    ngrams: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2)
    """Lengths of word n-grams, for words."""
    characters: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Lengths of character n-grams within words, for words."""
    edges: tuple[FiniteFloat, ...] = ()
    """Rising numbers at which a bin ends and the next begins, for bins."""
    max_values: int = Field(64, ge=1)
    """Tokens that are kept: the last ones of a history, the first ones of everything else."""
    max_chars: int = Field(20_000, ge=1)
    """Characters of a text that are read, for words."""
    distinct: bool = False
    """Whether a token counts once, however often it comes."""
    vocabulary: Vocabulary = Vocabulary()

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if self.name == DENSE:
            raise ValueError(f"{DENSE!r} is the name of the scaled numbers; name the field otherwise")
        if (self.tokens == "bins") != bool(self.edges):
            raise ValueError("edges belong to bins, and bins need them")
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("edges must rise")
        if self.tokens == "words" and not (self.ngrams or self.characters):
            raise ValueError("words need ngrams or characters")
        return self

    @property
    def latest(self) -> bool:
        """Whether the last tokens are kept, not the first: of a history the end tells most."""
        return self.source[-1] == "history"

    def tokens_of(self, record: Record) -> list[str]:
        """Return a record's tokens, in order and with repetitions; those beyond `max_values` too."""
        values = [value for path in self._paths for value in strings_at(record, path)]
        if self.split:
            values = [part.strip() for value in values for part in value.split(self.split) if part.strip()]
        return self._tokens_of(values)

    def fitted(self, records: Iterable[Record], oov: int = 1, min_count: int = 1, max_rows: int = 0) -> Self:
        """Return the same field with the vocabulary of training records; see `Vocabulary.fit`."""
        vocabulary = Vocabulary.fit(map(self.tokens_of, records), oov, min_count, max_rows)
        return self.model_copy(update={"vocabulary": vocabulary})

    def rows_of(self, records: Sequence[Record]) -> tuple[list[Rows], list[bool]]:
        """Return the rows of each record's tokens, int64 [at most `max_values`], and whether some were left out."""
        found = [self._distinct(self.tokens_of(record)) for record in records]
        kept = [self._cut(tokens) if len(tokens) > self.max_values else tokens for tokens in found]
        rows = self.vocabulary.rows_of([token for tokens in kept for token in tokens])  # [tokens of all records]
        edges = list(accumulate(map(len, kept), initial=0))
        return [rows[a:b] for a, b in pairwise(edges)], [len(tokens) > self.max_values for tokens in found]

    def _distinct(self, tokens: list[str]) -> list[str]:
        if not self.distinct:
            return tokens
        return list(dict.fromkeys(reversed(tokens)))[::-1] if self.latest else list(dict.fromkeys(tokens))

    def _cut(self, tokens: list[str]) -> list[str]:
        return tokens[-self.max_values :] if self.latest else tokens[: self.max_values]

    def _tokens_of(self, values: list[str]) -> list[str]:
        match self.tokens:
            case "ids":
                return values
            case "values":
                return [token for token in map(normalise, values) if token]
            case "words":
                return [
                    token
                    for value in values
                    for token in ngrams_of(value[: self.max_chars], self.ngrams, self.characters)
                ]
            case "decade":
                return [str(int(found // 10 * 10)) for found in _numbers(values)]
            case "bins":
                return [str(bisect_right(self.edges, found)) for found in _numbers(values)]

    @cached_property
    def _paths(self) -> list[list[str]]:
        return [source.split(".") for source in self.source]


class FieldsConfig(Strict):
    """All that one encoder reads of a record."""

    record: Subject
    fields: tuple[FieldConfig, ...] = Field(min_length=1)
    dense: DenseConfig | None = None

    @model_validator(mode="after")
    def _lead_somewhere(self) -> Self:
        model = SUBJECTS[self.record]
        names = [field.name for field in self.fields]
        if len(set(names)) != len(names):
            raise ValueError("two fields have one name")
        sources = {source for field in self.fields for source in field.source}
        if unknown := {source for source in sources if not has_source(model, source)}:
            raise ValueError(f"a {self.record} has no {', '.join(sorted(unknown))}; its fields: {known_fields(model)}")
        if unknown := set(self.dense.names if self.dense else ()) - set(model.measures):
            raise ValueError(f"a {self.record} has no number {', '.join(sorted(unknown))}")
        return self


class FieldFeatures:
    """Reads and encodes records as a configuration says, and lays rows side by side."""

    def __init__(self, config: FieldsConfig) -> None:
        self.config = config
        self._model = SUBJECTS[config.record]
        self._names = [field.name for field in config.fields]
        self._columns = [self._model.measures.index(name) for name in config.dense.names] if config.dense else []

    @property
    def max_tokens(self) -> int:
        """Most tokens of a row."""
        return sum(field.max_values for field in self.config.fields)

    def read(self, value: object) -> Record:
        """Read what a caller sent: an object, or a bare string as the record's body.

        Raises:
            RecordError: it is no such record, or holds nothing of what the encoder reads; a user may be unknown.
        """
        record = read_record(self._model, value)
        if self.config.record != "user" and not any(field.tokens_of(record) for field in self.config.fields):
            sources = dict.fromkeys(source for field in self.config.fields for source in field.source)
            raise RecordError(None, f"the {self.config.record} has nothing that the model reads: {', '.join(sources)}")
        return record

    def text_of(self, value: object) -> str:
        """Return the JSON of what a caller sent, by which `encode` knows it again.

        Raises:
            RecordError: see `read`.
        """
        return self.read(value).model_dump_json(exclude_defaults=True)

    def encode(self, records: Sequence[Record | str]) -> list[FeatureRow]:
        """Encode records, or what `text_of` returned of them, in order.

        A row has int64 ids [tokens] of each field, some of them empty, and `dense` float32 [numbers] where there are
        numbers. Its tokens are its ids, of all fields together, and one at least.
        """
        read = [self._model.model_validate_json(each) if isinstance(each, str) else each for each in records]
        fields = [field.rows_of(read) for field in self.config.fields]
        bags = list(zip(*(rows for rows, _ in fields), strict=True))  # [records] of [fields]
        longer = zip(*(cut for _, cut in fields), strict=True)
        arrays = [dict(zip(self._names, bag, strict=True)) for bag in bags]
        if self.config.dense is not None and read:
            numbers = np.array([record.numbers() for record in read])[:, self._columns]  # [records, numbers]
            for row, scaled in zip(arrays, self.config.dense.apply(numbers), strict=True):
                row[DENSE] = scaled
        return [
            FeatureRow(row, max(sum(map(len, bag)), 1), any(cut))
            for row, bag, cut in zip(arrays, bags, longer, strict=True)
        ]

    def collate(self, rows: Sequence[FeatureRow], multiple: int = 1) -> Feed:
        """Return ids int64 [rows, tokens], each field as long as its longest bag but one at least, and `dense`.

        The latter is float32 [rows, numbers]. `multiple` rounds every field's length up.
        """
        inputs = {name: _padded([row.arrays[name] for row in rows], multiple) for name in self._names}
        padded_tokens = sum(ids.size for ids in inputs.values())
        if self.config.dense is not None:
            inputs[DENSE] = np.stack([row.arrays[DENSE] for row in rows])
        return Feed(inputs, len(rows), sum(map(len, rows)), padded_tokens)


def _padded(arrays: Sequence[Array], multiple: int) -> Array:
    if len(arrays) == multiple == 1 and arrays[0].size:
        return arrays[0][None]  # [1, tokens]
    if any(map(len, arrays)):
        return pad(arrays, PADDING, multiple)[0]
    return np.full((len(arrays), multiple), PADDING, np.int64)


def _numbers(values: Iterable[str]) -> list[float]:
    """Return the numbers among strings; what is none has no bin."""
    found = []
    for value in values:
        with suppress(ValueError):
            found.append(number(value))
    return [each for each in found if each is not None]
