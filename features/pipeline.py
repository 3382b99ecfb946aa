"""The whole way from what a caller sends to what a graph takes, as a bundle's `features.json` describes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from features.clean import Cleaning
from features.labels import Strict
from features.ngrams import NgramConfig, NgramFeatures
from features.records import RECORDS, Kind, parse_record
from features.rows import FeatureRow, Features, Feed
from features.text import TextTokenizer

FEATURES_FILE = "features.json"
TOKENIZER_FILE = "tokenizer.json"


class FeaturesConfig(Strict):
    """How records become rows."""

    record: Kind
    """What the model reads; a bare string is the record's body."""
    fields: list[str] = Field(min_length=1)
    """Fields of the record that make the text, in order."""
    cleaning: Cleaning = Cleaning()
    ngrams: NgramConfig | None = None
    """The bag of n-grams; None: the model has none."""
    max_tokens: int | None = Field(None, gt=2)
    """Tokens of the transformer, special ones included; None: the model has no transformer."""

    @model_validator(mode="after")
    def _lead_somewhere(self) -> Self:
        if self.ngrams is None and self.max_tokens is None:
            raise ValueError("neither ngrams nor max_tokens is given: the model would read nothing")
        if unknown := set(self.fields) - set(RECORDS[self.record].model_fields):
            raise ValueError(f"a {self.record} has no field {', '.join(sorted(unknown))}")
        return self


@dataclass(frozen=True)
class Pipeline:
    """Records to text, text to rows, rows to feeds. Holds nothing that training has not written down."""

    config: FeaturesConfig
    features: Features

    @classmethod
    def make(cls, config: FeaturesConfig, tokenizer: Path | None = None) -> Self:
        """Make the pipeline of a configuration; a transformer needs its `tokenizer.json`."""
        parts: list[Features] = []
        if config.max_tokens is not None:
            if tokenizer is None:
                raise ValueError("max_tokens is given but no tokenizer")
            parts.append(TextTokenizer(tokenizer, config.max_tokens))
        if config.ngrams is not None:
            parts.append(NgramFeatures(config.ngrams))
        return cls(config, parts[0] if len(parts) == 1 else JointFeatures(parts))

    @classmethod
    def open(cls, root: Path) -> Self:
        """Open the pipeline of the bundle in `root`.

        Raises:
            OSError: a file is missing.
            pydantic.ValidationError: `features.json` does not follow its schema.
        """
        config = FeaturesConfig.model_validate_json((root / FEATURES_FILE).read_bytes())
        return cls.make(config, root / TOKENIZER_FILE)

    @property
    def light(self) -> bool:
        """Whether there is no transformer: a token is then one n-gram, whose cost is a look-up and a sum."""
        return self.config.max_tokens is None

    @property
    def max_tokens(self) -> int:
        """Most tokens of a row: of the transformer, or n-grams where there is none."""
        if self.config.max_tokens is not None:
            return self.config.max_tokens
        assert self.config.ngrams is not None
        return self.config.ngrams.max_chars * (len(self.config.ngrams.words) + len(self.config.ngrams.characters))

    def text_of(self, value: object) -> str:
        """Return the text that the model sees of a record or of a bare string.

        Raises:
            features.records.RecordError: it is neither, or holds no text.
        """
        return parse_record(self.config.record, value).text(self.config.fields, self.config.cleaning)

    def write(self, root: Path) -> None:
        """Write `features.json` into the bundle's folder."""
        (root / FEATURES_FILE).write_text(self.config.model_dump_json(indent=2) + "\n")


class JointFeatures:
    """Several kinds of features of one text, side by side; the first kind's length is the row's."""

    def __init__(self, parts: Sequence[Features]) -> None:
        self._parts = parts

    def encode(self, texts: Sequence[str]) -> list[FeatureRow]:
        """Encode texts, in order: rows that have the arrays of all kinds."""
        return [_joined(rows) for rows in zip(*(part.encode(texts) for part in self._parts), strict=True)]

    def collate(self, rows: Sequence[FeatureRow], multiple: int = 1) -> Feed:
        """Return the inputs of all kinds; tokens are counted by the first."""
        feeds = [part.collate(rows, multiple) for part in self._parts]
        inputs = {name: array for feed in feeds for name, array in feed.inputs.items()}
        return Feed(inputs, len(rows), sum(map(len, rows)), feeds[0].padded_tokens)


def _joined(rows: tuple[FeatureRow, ...]) -> FeatureRow:
    arrays = {name: array for row in rows for name, array in row.arrays.items()}
    return FeatureRow(arrays, rows[0].tokens, rows[0].truncated)
