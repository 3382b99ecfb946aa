"""The branches of a classifier. Each reads a text in its own way and answers for every label on its own.

They are trained side by side, each on its own loss, and their logits are averaged: branches that see different things
make different mistakes. Added up and trained as one they would share the work out and make the same ones.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.bag import BagVocabulary, NgramBag

Inputs = Mapping[str, Tensor]
"""What branches read, by name: ngram_ids, ngram_weights, tokens, mask, pooled; those that the classifier has."""


class Votes(nn.Module):
    """Logistic regression on TF-IDF: every n-gram votes for labels, with a weight it has learnt."""

    def __init__(self, vocabulary: BagVocabulary, outputs: int, ngram_dropout: float) -> None:
        super().__init__()
        self.ngram_dropout = ngram_dropout
        self.bag = NgramBag(vocabulary, outputs)
        nn.init.zeros_(self.bag.table.weight)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits, float32 [batch, outputs]."""
        dropout = self.ngram_dropout if self.training else 0.0
        logits: Tensor = self.bag(inputs["ngram_ids"], inputs["ngram_weights"], dropout) + self.bias
        return logits


class PooledNorm(nn.BatchNorm1d):
    """Standardises by the batch in training, else by what was seen there; a single row has no spread of its own."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Standardise [batch, pooled]."""
        if not self.training or len(vectors) > 1:
            return super().forward(vectors)
        return functional.batch_norm(vectors, self.running_mean, self.running_var, eps=self.eps)


class Layers(nn.Module):
    """A hidden layer over the bag's vector, the transformer's pooled vectors, or both."""

    def __init__(
        self,
        bag: NgramBag | None,
        pooled: int,
        outputs: int,
        hidden: int,
        dropout: float,
        ngram_dropout: float,
    ) -> None:
        super().__init__()
        self.ngram_dropout = ngram_dropout
        self.bag = bag
        width = (bag.width if bag is not None else 0) + pooled
        self.bag_norm = nn.LayerNorm(bag.width) if bag is not None else None
        self.pooled_norm = PooledNorm(pooled, affine=False) if pooled else None
        self.hidden = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout))
        self.output = nn.Linear(hidden, outputs)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits, float32 [batch, outputs]."""
        parts = []
        if self.bag is not None and self.bag_norm is not None:
            dropout = self.ngram_dropout if self.training else 0.0
            bagged = self.bag(inputs["ngram_ids"], inputs["ngram_weights"], dropout)  # [batch, bag width]
            parts.append(functional.gelu(self.bag_norm(bagged)))
        if self.pooled_norm is not None:
            parts.append(self.pooled_norm(inputs["pooled"]))  # [batch, pooled]
        logits: Tensor = self.output(self.hidden(torch.cat(parts, dim=1)))
        return logits


class LabelAttention(nn.Module):
    """Every label looks at the tokens that matter to it (Mullenbach and others 2018, CAML, equations 3 to 5)."""

    def __init__(self, hidden: int, width: int, labels: int, auxiliary: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.value = nn.Linear(hidden, width)
        self.attend = nn.Linear(hidden, labels)
        self.drop_tokens, self.drop = nn.Dropout(dropout / 3), nn.Dropout(dropout)
        self.weight = nn.Parameter(torch.randn(labels, 2 * width) * 0.02)
        self.bias = nn.Parameter(torch.zeros(labels))
        self.auxiliary = nn.Linear(2 * width, auxiliary) if auxiliary else None

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits, float32 [batch, labels + auxiliary]."""
        tokens = self.drop_tokens(self.norm(inputs["tokens"].float()))  # [batch, tokens, hidden]
        real = inputs["mask"].unsqueeze(-1).to(tokens.dtype)  # [batch, tokens, 1]
        absent = (1.0 - real) * -1e4
        values = functional.gelu(self.value(tokens))  # [batch, tokens, width]
        attention = torch.softmax(self.attend(tokens) + absent, dim=1)  # [batch, tokens, labels]
        seen = attention.transpose(1, 2) @ values  # [batch, labels, width]
        largest = (values + absent).amax(dim=1)  # [batch, width]
        both = torch.cat([seen, largest.unsqueeze(1).expand_as(seen)], dim=2)  # [batch, labels, 2 width]
        logits: Tensor = (self.drop(both) * self.weight).sum(dim=2) + self.bias  # [batch, labels]
        if self.auxiliary is None or not self.training:
            return logits
        mean = (values * real).sum(dim=1) / real.sum(dim=1).clamp(min=1.0)  # [batch, width]
        return torch.cat([logits, self.auxiliary(self.drop(torch.cat([mean, largest], dim=1)))], dim=1)
