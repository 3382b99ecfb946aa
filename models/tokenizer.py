"""A checkpoint's tokeniser as one `tokenizer.json`, doing what sentence-transformers would do with the text."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, normalizers
from transformers import AutoConfig, AutoTokenizer

from features.pipeline import TOKENIZER_FILE
from features.text import TextTokenizer
from models.checkpoint import Checkpoint
from models.errors import CheckpointError


def write_tokenizer(checkpoint: Checkpoint, root: Path, max_tokens: int | None = None) -> TextTokenizer:
    """Write `tokenizer.json` into `root` and open it as serving will.

    Truncation and padding are taken out of the file: the reader decides. Lower-casing that the checkpoint asks of
    sentence-transformers goes into the file as a normaliser, so that serving needs no second place for it.

    Raises:
        CheckpointError: the checkpoint has no fast (Rust) tokeniser.
    """
    loaded: Any = AutoTokenizer.from_pretrained(  # type: ignore[no-untyped-call]
        checkpoint.transformer, local_files_only=True, use_fast=True
    )
    if not loaded.is_fast:
        raise CheckpointError(f"{checkpoint.transformer}: no fast tokeniser (tokenizer.json), which serving needs")
    tokenizer: Tokenizer = loaded.backend_tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if checkpoint.lower_case and "Lowercase" not in str(tokenizer.normalizer):
        present = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *present])
    path = root / TOKENIZER_FILE
    tokenizer.save(str(path))
    limit = _max_tokens(checkpoint, int(loaded.model_max_length))
    return TextTokenizer(path, min(max_tokens or limit, limit))


def _max_tokens(checkpoint: Checkpoint, tokenizer_limit: int) -> int:
    """Return the length limit: the checkpoint's, else the tokeniser's, and never more than there are positions."""
    config = AutoConfig.from_pretrained(checkpoint.transformer, local_files_only=True)
    positions = int(getattr(config, "max_position_embeddings", tokenizer_limit))
    # RoBERTa's descendants count positions from padding_idx + 1, so that many rows of the table are never reached.
    reserved = int(config.pad_token_id or 0) + 1 if config.model_type in _OFFSET_POSITIONS else 0
    return min(checkpoint.max_tokens or tokenizer_limit, positions - reserved)


_OFFSET_POSITIONS = frozenset({"camembert", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl"})
