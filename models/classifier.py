"""A multi-label text classifier: branches, their mean, and the whole way from features to scores."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.backbone import Backbone
from models.branches import Inputs


class TextClassifier(nn.Module):
    """Branches over one text. `logits` is the answer, `forward` what training needs."""

    def __init__(self, labels: int, branches: Mapping[str, nn.Module], backbone: Backbone | None = None) -> None:
        super().__init__()
        self.labels = labels
        self.branches = nn.ModuleDict(branches)
        self.backbone = backbone

    def forward(self, inputs: Inputs) -> list[Tensor]:
        """Return each branch's logits, float32 [batch, labels] or [batch, labels + auxiliary].

        Reads the texts with the backbone first where `inputs` has token ids in place of what they give.
        """
        if self.backbone is not None and "pooled" not in inputs:
            reading = self.backbone(inputs["input_ids"], inputs["attention_mask"])
            inputs = {**inputs, "tokens": reading.tokens, "pooled": reading.pooled, "mask": inputs["attention_mask"]}
        return [branch(inputs) for branch in self.branches.values()]

    def logits(self, inputs: Inputs) -> Tensor:
        """Return the mean of the branches' logits, float32 [batch, labels]."""
        branches = [logits[:, : self.labels] for logits in self(inputs)]
        return torch.stack(branches).mean(dim=0)


class Scorer(nn.Module):
    """What is exported: from the pipeline's features, in the order of `names`, to scores."""

    def __init__(self, classifier: TextClassifier, names: tuple[str, ...]) -> None:
        super().__init__()
        self.classifier = classifier
        self.names = names

    def forward(self, *features: Tensor) -> Tensor:
        """Return scores between 0 and 1, float32 [batch, labels]."""
        return torch.sigmoid(self.classifier.logits(dict(zip(self.names, features, strict=True))))
