"""What classifiers read of a pretrained transformer: token vectors of one layer, and pooled vectors of several.

Middle layers tell topics at least as well as the last one, which was trained to compare sentences, so a classifier
looks at both. Left frozen, what the transformer gives for a text never changes, and training computes it only once.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.checkpoint import Checkpoint
from models.errors import CheckpointError
from models.text import SentenceEncoder


class Reading(NamedTuple):
    """What the transformer makes of a batch of texts."""

    tokens: Tensor
    """Vectors of the tokens at the token layer, float32 [batch, tokens, hidden]."""
    pooled: Tensor
    """Means of the layers from there on, then first vector and maximum of the last, float32 [batch, pooled]."""


class Backbone(nn.Module):
    """A transformer built like BERT, read at several depths."""

    def __init__(self, encoder: SentenceEncoder, token_layer: int) -> None:
        super().__init__()
        transformer = encoder.transformer
        try:
            self.embeddings = transformer.get_submodule("embeddings")
            self.layers = nn.ModuleList(transformer.get_submodule("encoder.layer").children())
        except AttributeError as error:
            name = type(transformer).__name__
            raise CheckpointError(f"{name} has no stack of layers like BERT's; choose another encoder") from error
        if not 1 <= token_layer <= len(self.layers):
            raise CheckpointError(f"token_layer is {token_layer}, the encoder has layers 1 to {len(self.layers)}")
        self.config = transformer.config
        self.token_layer = token_layer
        self.hidden = int(transformer.config.hidden_size)
        self.pooled = (len(self.layers) - token_layer + 3) * self.hidden
        self.takes_segments = encoder.takes_segments

    @classmethod
    def load(cls, checkpoint: Checkpoint, token_layer: int) -> "Backbone":
        """Build the backbone of a checkpoint, in evaluation mode; its pooling and later modules are left out.

        Raises:
            CheckpointError: the weights cannot be read, or the transformer is not built like BERT.
        """
        encoder = SentenceEncoder.load(checkpoint)
        backbone = cls(encoder, token_layer).eval()
        backbone._check_against(encoder.transformer)
        return backbone

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Reading:
        """Read token ids int64 [batch, tokens], with mask int64 [batch, tokens]; padding changes nothing."""
        segments = {"token_type_ids": torch.zeros_like(input_ids)} if self.takes_segments else {}
        hidden = self.embeddings(input_ids=input_ids, **segments)  # [batch, tokens, hidden]
        real = attention_mask.unsqueeze(-1).to(hidden.dtype)  # [batch, tokens, 1]
        absent = (1.0 - attention_mask[:, None, None, :].to(hidden.dtype)) * torch.finfo(hidden.dtype).min
        tokens, means = hidden, []
        for number, layer in enumerate(self.layers, start=1):
            output = layer(hidden, absent)
            hidden = output[0] if isinstance(output, tuple) else output  # [batch, tokens, hidden]
            if number == self.token_layer:
                tokens = hidden
            if number >= self.token_layer:
                means.append((hidden * real).sum(dim=1) / real.sum(dim=1).clamp(min=1.0))  # [batch, hidden]
        largest = hidden.masked_fill(real == 0, torch.finfo(hidden.dtype).min).amax(dim=1)  # [batch, hidden]
        return Reading(tokens, torch.cat([*means, hidden[:, 0], largest], dim=1))

    def _check_against(self, transformer: nn.Module) -> None:
        """Hold the layers, called one by one, to the whole transformer, which may give them more than we do."""
        ids = torch.arange(1, 9).remainder(self.config.vocab_size).unsqueeze(0)  # [1, tokens]
        mask = torch.ones_like(ids)
        with torch.inference_mode():
            expected = transformer(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]  # [1, hidden]
            try:
                found = self(ids, mask).pooled[:, -2 * self.hidden : -self.hidden]  # [1, hidden]
            except (AttributeError, RuntimeError, TypeError, ValueError):
                found = torch.full_like(expected, torch.nan)
        if not torch.allclose(found, expected, atol=1e-4):
            name = type(transformer).__name__
            raise CheckpointError(f"{name} passes more than a mask to its layers, unlike BERT; choose another encoder")
