"""Text -> token ids, exactly alike at export and at serving."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

CHARS_PER_TOKEN = 16
"""Characters looked at per token of the limit at first; three to four times what prose needs to fill it."""

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class TokenRow:
    """One tokenised text."""

    ids: list[int]
    """Token ids, special tokens included, at most `max_tokens`."""
    truncated: bool
    """Whether the text had more tokens than the limit."""


@dataclass(frozen=True)
class TokenBatch:
    """A padded micro-batch: what a text graph takes."""

    input_ids: Ids  # [rows, tokens]
    attention_mask: Ids  # [rows, tokens], 1 where there is a token
    tokens: int
    """Tokens that are not padding."""


class TextTokenizer:
    """A bundle's `tokenizer.json`, truncating at `max_tokens` and never padding.

    Encoding runs in Rust without the GIL, so a thread can do it beside the event loop. A tokeniser's cost grows with
    the whole text even though only its head is kept, so texts are cut by characters first; the rare head that does not
    fill the limit (a run of blanks, say) is tokenised again in full: the result is exactly that of the whole text.
    """

    def __init__(self, path: Path, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self.max_chars = max_tokens * CHARS_PER_TOKEN
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        self.pad_id = _pad_id(self._tokenizer)

    def encode(self, texts: Sequence[str]) -> list[TokenRow]:
        """Tokenise texts, in order."""
        heads = [text[: self.max_chars] for text in texts]
        encodings: list[Encoding] = self._tokenizer.encode_batch_fast(heads)
        return [self._row(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]

    def _row(self, text: str, encoding: Encoding) -> TokenRow:
        if len(text) > self.max_chars and not encoding.overflowing:
            encoding = self._tokenizer.encode(text)
        ids = encoding.ids
        return TokenRow(ids, len(ids) == self.max_tokens and bool(encoding.overflowing))


def pad(rows: Sequence[Sequence[int]], pad_id: int, multiple: int = 1) -> TokenBatch:
    """Lay rows of token ids side by side, padded on the right to the longest, rounded up to `multiple`."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))  # [rows]
    width = -(-int(lengths.max()) // multiple) * multiple
    mask = np.arange(width) < lengths[:, None]  # [rows, tokens]
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    ids[mask] = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
    return TokenBatch(ids, mask.astype(np.int64), int(lengths.sum()))


def _pad_id(tokenizer: Tokenizer) -> int:
    for token in ("[PAD]", "<pad>", "<|padding|>"):
        if (pad_id := tokenizer.token_to_id(token)) is not None:
            return int(pad_id)
    return 0
