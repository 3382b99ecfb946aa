"""A tiny random BERT in the layout of sentence-transformers, with any modules after it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from export.probes import probe_texts

HIDDEN = 32
MAX_POSITIONS = 64
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def write_encoder(
    root: Path,
    pooling: Sequence[str] = ("mean_tokens",),
    extra: Sequence[str] = (),
    max_tokens: int = 48,
    lower_case: bool = False,
    prompts: dict[str, str] | None = None,
    layers: int = 2,
) -> Path:
    """Write a checkpoint with the given pooling modes and the modules of `extra` after it; return its folder."""
    root.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    torch.manual_seed(7)
    config = BertConfig(  # type: ignore[no-untyped-call]
        vocab_size=tokenizer.get_vocab_size(), hidden_size=HIDDEN, num_hidden_layers=layers, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=MAX_POSITIONS, initializer_range=0.3,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(root)  # type: ignore[no-untyped-call]
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=MAX_POSITIONS,
    ).save_pretrained(root)  # fmt: skip
    _json(root / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": lower_case})
    if prompts is not None:
        meta = {"prompts": prompts, "default_prompt_name": next(iter(prompts)), "similarity_fn_name": "dot"}
        _json(root / "config_sentence_transformers.json", meta)
    width = HIDDEN * len(pooling)
    flags = {f"pooling_mode_{name}": True for name in pooling}
    flags.setdefault("pooling_mode_mean_tokens", False)
    _json(root / "1_Pooling" / "config.json", {"word_embedding_dimension": HIDDEN, **flags})
    modules = [_entry(0, "", "Transformer"), _entry(1, "1_Pooling", "Pooling")]
    for at, kind in enumerate(extra, start=2):
        folder = f"{at}_{kind}"
        width = _write_module(root / folder, kind, width)
        modules.append(_entry(at, folder, kind))
    _json(root / "modules.json", modules)
    return root


def _write_module(folder: Path, kind: str, width: int) -> int:
    folder.mkdir(parents=True)
    if kind == "Dense":
        wanted = 24
        activation = "torch.nn.modules.activation.Tanh"
        config = {"in_features": width, "out_features": wanted, "bias": True, "activation_function": activation}
        _json(folder / "config.json", config)
        weights = {"linear.weight": torch.randn(wanted, width) / width**0.5, "linear.bias": torch.randn(wanted)}
        save_file(weights, folder / "model.safetensors")
        return wanted
    if kind == "LayerNorm":
        _json(folder / "config.json", {"dimension": width})
        weights = {"norm.weight": torch.rand(width) + 0.5, "norm.bias": torch.randn(width)}
        save_file(weights, folder / "model.safetensors")
    return width


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(probe_texts(64, seed=5), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def _entry(at: int, path: str, kind: str) -> dict[str, Any]:
    return {"idx": at, "name": str(at), "path": path, "type": f"sentence_transformers.models.{kind}"}


def _json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
