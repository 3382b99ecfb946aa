"""What a sentence-transformers checkpoint says about itself, read from its own files.

A checkpoint is a folder: `modules.json` lists the modules in the order in which a text passes through them, and each
module has a sub-folder with its configuration. A plain Hugging Face folder without `modules.json` means masked mean
pooling and nothing after it, which is what sentence-transformers makes of it. Nothing here needs torch.
"""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from models.errors import CheckpointError


class Pooling(StrEnum):
    """How token vectors become one vector; the names are sentence-transformers' own."""

    CLS = "cls"
    MAX = "max"
    MEAN = "mean"
    MEAN_SQRT_LEN = "mean_sqrt_len_tokens"
    WEIGHTED_MEAN = "weightedmean"
    LAST_TOKEN = "lasttoken"


class Kind(StrEnum):
    """Modules that may follow the transformer."""

    POOLING = "Pooling"
    DENSE = "Dense"
    LAYER_NORM = "LayerNorm"
    NORMALIZE = "Normalize"


@dataclass(frozen=True)
class Stage:
    """One module after the transformer."""

    kind: Kind
    folder: Path
    config: dict[str, Any]

    @property
    def modes(self) -> tuple[Pooling, ...]:
        """Pooling modes of a pooling stage, in the order in which their vectors are concatenated."""
        named = self.config.get("pooling_mode")
        if named is not None:
            return tuple(Pooling(mode) for mode in ([named] if isinstance(named, str) else named))
        return tuple(mode for key, mode in _FLAGS.items() if self.config.get(key)) or (Pooling.MEAN,)


@dataclass(frozen=True)
class Checkpoint:
    """A folder that holds a sentence encoder."""

    root: Path
    transformer: Path
    """Folder of the transformer's `config.json` and weights: `root`, or a sub-folder of it."""
    stages: tuple[Stage, ...]
    max_tokens: int | None
    """Length limit the checkpoint was made for, special tokens included; None: the tokeniser's own."""
    lower_case: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    similarity: str = "cosine"

    @property
    def pooling(self) -> str:
        """Pooling as people write it: `mean`, or `cls+max` for a concatenation."""
        return "+".join(mode for stage in self.stages if stage.kind is Kind.POOLING for mode in stage.modes)

    @property
    def normalized(self) -> bool:
        """Whether the last module brings vectors to unit length."""
        return self.stages[-1].kind is Kind.NORMALIZE


def read_checkpoint(root: Path) -> Checkpoint:
    """Read a checkpoint's own description.

    Raises:
        CheckpointError: a file is missing or malformed, or the checkpoint has a module, pooling or similarity that
            cannot be exported; the message names it.
    """
    listed = _read(root / "modules.json", [{"type": "Transformer", "path": ""}, {"type": "Pooling", "path": ""}])
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in listed]
    if kinds[:1] != ["Transformer"]:
        raise CheckpointError(f"{root}: modules.json starts with {kinds[:1]}; only transformer encoders are exported")
    transformer = root / listed[0]["path"]
    if not (transformer / "config.json").is_file():
        raise CheckpointError(f"{transformer}/config.json is missing: {root} is not an encoder checkpoint")
    stages = tuple(_stage(root, kind, module) for kind, module in zip(kinds[1:], listed[1:], strict=True))
    if [stage.kind for stage in stages].count(Kind.POOLING) != 1 or stages[0].kind is not Kind.POOLING:
        raise CheckpointError(f"{root}: one Pooling module has to follow the transformer, found {kinds[1:]}")
    limits: dict[str, Any] = _read(transformer / "sentence_bert_config.json", {})
    meta: dict[str, Any] = _read(root / "config_sentence_transformers.json", {})
    return Checkpoint(
        root=root,
        transformer=transformer,
        stages=stages,
        max_tokens=limits.get("max_seq_length"),
        lower_case=bool(limits.get("do_lower_case", False)),
        prompts={name: text for name, text in (meta.get("prompts") or {}).items() if text},
        default_prompt=meta.get("default_prompt_name"),
        similarity=_similarity(root, meta),
    )


def _stage(root: Path, kind: str, module: dict[str, Any]) -> Stage:
    folder = root / module["path"]
    if kind not in set(Kind):
        raise CheckpointError(f"{root}: module {module['type']!r} is not known; known modules: {', '.join(Kind)}")
    try:
        stage = Stage(Kind(kind), folder, _read(folder / "config.json", {}) if module["path"] else {})
        unknown_pooling = stage.kind is Kind.POOLING and not stage.modes
    except ValueError as error:
        raise CheckpointError(f"{folder}/config.json: {error}; known pooling: {', '.join(Pooling)}") from error
    if unknown_pooling or stage.config.get("include_prompt") is False:
        raise CheckpointError(f"{folder}: pooling that leaves the prompt's tokens out is not supported")
    return stage


def _similarity(root: Path, meta: dict[str, Any]) -> str:
    similarity = meta.get("similarity_fn_name") or "cosine"
    if similarity not in ("cosine", "dot"):
        raise CheckpointError(f"{root}: similarity {similarity!r} is not served; only cosine and dot are")
    return str(similarity)


def _read(path: Path, default: Any) -> Any:
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON ({error})") from error


_FLAGS = {
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_max_tokens": Pooling.MAX,
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_mean_sqrt_len_tokens": Pooling.MEAN_SQRT_LEN,
    "pooling_mode_weightedmean_tokens": Pooling.WEIGHTED_MEAN,
    "pooling_mode_lasttoken": Pooling.LAST_TOKEN,
}
"""The flags that checkpoints made before sentence-transformers 5.4 carry, in concatenation order."""
