"""Text -> token ids, exactly alike at export and at serving."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from features.rows import FeatureRow, Feed, pad

IDS, MASK = "input_ids", "attention_mask"

CHARS_PER_TOKEN = 16
"""Characters looked at per token of the limit at first; three to four times what prose needs to fill it."""


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

    def encode(self, texts: Sequence[str]) -> list[FeatureRow]:
        """Tokenise texts, in order: rows of `input_ids`, special tokens included, at most `max_tokens`."""
        heads = [text[: self.max_chars] for text in texts]
        encodings: list[Encoding] = self._tokenizer.encode_batch_fast(heads)
        return [self._row(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]

    def collate(self, rows: Sequence[FeatureRow], multiple: int = 1) -> Feed:
        """Return `input_ids` and `attention_mask`, both int64 [rows, tokens]."""
        ids, mask = pad([row.arrays[IDS] for row in rows], self.pad_id, multiple)
        return Feed({IDS: ids, MASK: mask.astype(np.int64)}, len(rows), sum(map(len, rows)), ids.size)

    def _row(self, text: str, encoding: Encoding) -> FeatureRow:
        if len(text) > self.max_chars and not encoding.overflowing:
            encoding = self._tokenizer.encode(text)
        ids = encoding.ids
        truncated = len(ids) == self.max_tokens and bool(encoding.overflowing)
        return FeatureRow({IDS: np.array(ids, dtype=np.int64)}, len(ids), truncated)


def _pad_id(tokenizer: Tokenizer) -> int:
    for token in ("[PAD]", "<pad>", "<|padding|>"):
        if (pad_id := tokenizer.token_to_id(token)) is not None:
            return int(pad_id)
    return 0
