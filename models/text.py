"""Sentence encoders: a Hugging Face transformer and the sentence-transformers modules after it, as one torch module."""

from collections.abc import Callable
from functools import partial

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from models.checkpoint import Checkpoint, Kind, Pooling, Stage
from models.errors import CheckpointError

Pool = Callable[[Tensor, Tensor], Tensor]


class SentenceEncoder(nn.Module):
    """Token ids -> one vector per text.

    forward takes `input_ids` int64 [batch, tokens] and `attention_mask` int64 [batch, tokens] (1 where there is a
    token; padding is on the right) and returns float32 [batch, dimensions]. Segment ids are zeros made inside.
    """

    def __init__(self, transformer: PreTrainedModel, stages: list[nn.Module]) -> None:
        super().__init__()
        self.transformer = transformer
        self.config = transformer.config
        self.pooling, *rest = stages
        self.head = nn.Sequential(*rest)
        self.takes_segments = any(name.endswith("token_type_embeddings") for name, _ in transformer.named_modules())

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> "SentenceEncoder":
        """Build the encoder of a checkpoint with its weights, in evaluation mode, in float32.

        Raises:
            CheckpointError: weights are missing or not safetensors: pickled weights can run code and are refused.
        """
        _require_safetensors(checkpoint)
        config = AutoConfig.from_pretrained(checkpoint.transformer, local_files_only=True)
        # Eager attention is plain matrix products and a softmax: what fusion passes look for in the graph.
        transformer = AutoModel.from_pretrained(
            checkpoint.transformer, config=config, local_files_only=True, use_safetensors=True,
            attn_implementation="eager", dtype=torch.float32,
        )  # fmt: skip
        encoder = cls(transformer, [_build(stage) for stage in checkpoint.stages])
        return encoder.eval()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return one vector per text, float32 [batch, dimensions]."""
        segments = {"token_type_ids": torch.zeros_like(input_ids)} if self.takes_segments else {}  # [batch, tokens]
        output = self.transformer(input_ids=input_ids, attention_mask=attention_mask, **segments)
        pooled = self.pooling(output.last_hidden_state, attention_mask)  # [batch, modes * hidden]
        vectors: Tensor = self.head(pooled)  # [batch, dimensions]
        return vectors


class MaskedPooling(nn.Module):
    """Token vectors [batch, tokens, hidden] and mask [batch, tokens] -> [batch, modes * hidden]."""

    def __init__(self, modes: tuple[Pooling, ...]) -> None:
        super().__init__()
        self.modes = modes

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Concatenate the vectors of all modes."""
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)  # [batch, tokens, 1]
        pooled = [_POOLS[mode](hidden, mask) for mode in self.modes]  # modes of [batch, hidden]
        return torch.cat(pooled, dim=-1) if len(pooled) > 1 else pooled[0]  # [batch, modes * hidden]


class Normalize(nn.Module):
    """Bring rows [batch, dimensions] to unit length."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Return unit vectors; a zero vector stays zero."""
        return nn.functional.normalize(vectors, p=2.0, dim=-1)  # [batch, dimensions]


class Dense(nn.Module):
    """A linear layer with an activation, under the parameter names of sentence-transformers."""

    def __init__(self, inputs: int, outputs: int, bias: bool, activation: nn.Module) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=bias)
        self.activation = activation

    def forward(self, vectors: Tensor) -> Tensor:
        """Map [batch, inputs] to [batch, outputs]."""
        mapped: Tensor = self.activation(self.linear(vectors))  # [batch, outputs]
        return mapped


class LayerNorm(nn.Module):
    """Layer normalisation of rows, under the parameter names of sentence-transformers."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dimension)

    def forward(self, vectors: Tensor) -> Tensor:
        """Normalise [batch, dimension]."""
        normed: Tensor = self.norm(vectors)  # [batch, dimension]
        return normed


def _first(hidden: Tensor, mask: Tensor) -> Tensor:
    return hidden[:, 0]  # [batch, hidden]


def _last(hidden: Tensor, mask: Tensor) -> Tensor:
    at = mask.sum(dim=1).to(torch.int64).clamp(min=1) - 1  # [batch, 1]
    index = at.unsqueeze(-1).expand(-1, 1, hidden.shape[-1])  # [batch, 1, hidden]
    return torch.gather(hidden * mask, 1, index).squeeze(1)  # [batch, hidden]


def _largest(hidden: Tensor, mask: Tensor) -> Tensor:
    return hidden.masked_fill(mask == 0, torch.finfo(hidden.dtype).min).amax(dim=1)  # [batch, hidden]


def _mean(hidden: Tensor, mask: Tensor, power: float) -> Tensor:
    total = (hidden * mask).sum(dim=1)  # [batch, hidden]
    return total / mask.sum(dim=1).clamp(min=1e-9) ** power  # [batch, hidden]


def _position_weighted_mean(hidden: Tensor, mask: Tensor) -> Tensor:
    # Later tokens of a causal model have seen more of the text (SGPT, arXiv:2202.08904, equation 1).
    weights = mask * mask.cumsum(dim=1)  # [batch, tokens, 1]
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)  # [batch, hidden]


def _build(stage: Stage) -> nn.Module:
    config = stage.config
    if stage.kind is Kind.POOLING:
        return MaskedPooling(stage.modes)
    if stage.kind is Kind.NORMALIZE:
        return Normalize()
    module: nn.Module
    if stage.kind is Kind.DENSE:
        bias = bool(config.get("bias", True))
        module = Dense(int(config["in_features"]), int(config["out_features"]), bias, _activation(stage))
    else:
        module = LayerNorm(int(config["dimension"]))
    module.load_state_dict(load_file(stage.folder / "model.safetensors"))
    return module


def _activation(stage: Stage) -> nn.Module:
    path = str(stage.config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    found = getattr(nn, path.rsplit(".", 1)[-1], None) if path.startswith("torch.nn.") else None
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise CheckpointError(f"{stage.folder}: activation {path!r} is not one of torch.nn")
    return found()


def _require_safetensors(checkpoint: Checkpoint) -> None:
    weighted = [stage.folder for stage in checkpoint.stages if stage.kind in (Kind.DENSE, Kind.LAYER_NORM)]
    for folder in [checkpoint.transformer, *weighted]:
        if not any(folder.glob("*.safetensors")):
            pickled = " (pytorch_model.bin can run code when it is read and is refused)"
            why = pickled if (folder / "pytorch_model.bin").is_file() else ""
            raise CheckpointError(f"{folder} has no safetensors weights{why}; convert the checkpoint to safetensors")


_POOLS: dict[Pooling, Pool] = {
    Pooling.CLS: _first,
    Pooling.MAX: _largest,
    Pooling.MEAN: partial(_mean, power=1.0),
    Pooling.MEAN_SQRT_LEN: partial(_mean, power=0.5),
    Pooling.WEIGHTED_MEAN: _position_weighted_mean,
    Pooling.LAST_TOKEN: _last,
}
