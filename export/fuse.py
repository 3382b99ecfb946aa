"""Fusion: the same arithmetic in fewer, larger operators, by onnxruntime.transformers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from onnxruntime.transformers.fusion_options import AttentionMaskFormat, FusionOptions
from onnxruntime.transformers.optimizer import optimize_model

BERT_LIKE = frozenset(
    {"bert", "camembert", "deberta", "distilbert", "electra", "ernie", "mpnet", "nomic_bert", "roberta", "xlm-roberta"}
)
"""Architectures whose blocks the optimiser's `bert` patterns describe. What does not match is left as it is."""


@dataclass(frozen=True)
class Shape:
    """Sizes the attention patterns are matched with."""

    model_type: str
    heads: int
    hidden: int

    @classmethod
    def of(cls, config: Any) -> "Shape":
        """Read the sizes from a transformers configuration."""
        return cls(str(config.model_type), int(config.num_attention_heads), int(config.hidden_size))


def fuse_for_cpu(source: Path, target: Path, shape: Shape) -> dict[str, int]:
    """Fuse attention, GELU and layer normalisation for the CPU provider; return how often each was found.

    Residual additions stay apart: on the CPU, SkipLayerNormalization runs at a tenth of the speed of the vectorised
    LayerNormalization after an Add (see docs/decisions/0003).
    """
    return _fuse(source, target, shape, attention=True, skip=False, gpu=False)


def fuse_for_int8(source: Path, target: Path, shape: Shape) -> dict[str, int]:
    """Fuse GELU and layer normalisation only, so that every projection stays a MatMul that can be quantised."""
    return _fuse(source, target, shape, attention=False, skip=False, gpu=False)


def fuse_for_cuda(source: Path, target: Path, shape: Shape) -> dict[str, int]:
    """Fuse everything that the CUDA provider has a kernel for."""
    return _fuse(source, target, shape, attention=True, skip=True, gpu=True)


def _fuse(source: Path, target: Path, shape: Shape, *, attention: bool, skip: bool, gpu: bool) -> dict[str, int]:
    """Run the optimiser.

    Raises:
        ValueError: the architecture is unknown to it, or nothing matched.
    """
    if shape.model_type not in BERT_LIKE:
        raise ValueError(f"no fusion patterns for architecture {shape.model_type!r}")
    options = FusionOptions("bert")
    options.enable_attention = attention
    options.enable_skip_layer_norm = skip
    options.enable_bias_skip_layer_norm = skip
    # It turns the mask into a count of tokens, which takes padding on the right for granted.
    options.enable_embed_layer_norm = False
    options.attention_mask_format = AttentionMaskFormat.AttentionMask
    with _quiet():
        model = optimize_model(
            str(source), "bert", num_heads=shape.heads, hidden_size=shape.hidden,
            optimization_options=options, opt_level=0, use_gpu=gpu,
        )  # fmt: skip
        found = {name: int(count) for name, count in model.get_fused_operator_statistics().items() if count}
        if not found:
            raise ValueError(f"nothing matched in a graph of architecture {shape.model_type!r}")
        model.save_model_to_file(str(target))
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Mute the optimiser, which logs through the root logger as well as its own, and prints."""
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
