"""A family small enough to train in a moment: dropout, a sparse embedding, two optimisers, noise in its batches."""

import os
import signal
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from training.config import Config, RecipeConfig
from training.predict import predict
from training.recipe import Fingerprint, Objective, Recipe
from training.reproducible import generator_of

FAMILY = "tests.training.toy:ToyRecipe"
KILL_AT = "TOY_KILL_AT_STEP"
"""Environment variable: the step, counted from 1, in whose forward pass the process kills itself with SIGKILL."""


class ToyData(Config):
    """Where the toy's rows come from."""

    rows: int = 100
    """Training rows; a fifth of it is for validation."""
    seed: int = 3
    """Seed of the rows."""


class ToyConfig(RecipeConfig):
    """Configuration of the toy family."""

    data: ToyData = ToyData()
    """The rows."""
    explode_at: int = 0
    """Step whose loss is not a number; 0: none."""
    quiet: bool = False
    """No dropout and no noise in the batches."""
    sizes: tuple[int, ...] = (4,)
    """Hidden sizes; the first one counts."""


class ToyModule(nn.Module):
    """A sparse embedding and a numeric field, one hidden layer, two logits."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.table = nn.Embedding(7, hidden, sparse=True)
        self.dense = nn.Linear(3, hidden)
        self.head = nn.Linear(hidden, 2)
        self.drop = nn.Dropout(dropout)

    def forward(self, ids: Tensor, numbers: Tensor) -> Tensor:
        """Ids [batch], numbers [batch, 3] -> logits [batch, 2]."""
        hidden = torch.tanh(self.table(ids) + self.dense(numbers))  # [batch, hidden]
        return cast(Tensor, self.head(self.drop(hidden)))


class ToyRecipe(Recipe[ToyConfig]):
    """Two labels that depend on an id and three numbers."""

    config_class = ToyConfig
    steps = 0

    def prepare(self) -> None:
        generator = generator_of("toy", self.config.data.seed)
        count = self.config.data.rows + self.config.data.rows // 5
        self.ids = torch.randint(7, (count,), generator=generator)
        self.numbers = torch.randn(count, 3, generator=generator)
        first = self.ids.float() / 3 - 1 + self.numbers[:, 0] > 0
        self.targets = torch.stack([first, self.numbers.sum(dim=1) > 0], dim=1).float()

    def fingerprint(self) -> Fingerprint:
        data = self.config.data
        return Fingerprint(
            description=f"toy, seed {data.seed}",
            sha256=f"{data.seed:064d}",
            rows={"train": self.rows, "validation": data.rows // 5},
        )

    @property
    def rows(self) -> int:
        return self.config.data.rows

    def module(self) -> nn.Module:
        return ToyModule(self.config.sizes[0], 0.0 if self.config.quiet else 0.3)

    def optimizers(self, module: nn.Module) -> list[Optimizer]:
        assert isinstance(module, ToyModule)
        dense = [*module.dense.parameters(), *module.head.parameters()]
        rate = self.config.training.learning_rate
        return [torch.optim.AdamW(dense, lr=rate), torch.optim.SparseAdam(list(module.table.parameters()), lr=rate)]

    def batch(self, rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        noise = (0.0 if self.config.quiet else 0.01) * torch.randn(len(rows), 3, generator=generator)
        return {"ids": self.ids[rows], "numbers": self.numbers[rows] + noise, "targets": self.targets[rows]}

    def objective(self, module: nn.Module, batch: Any) -> Objective:
        self.steps += 1
        if str(self.steps) == os.environ.get(KILL_AT):
            os.kill(os.getpid(), signal.SIGKILL)
        loss = F.binary_cross_entropy_with_logits(module(batch["ids"], batch["numbers"]), batch["targets"])
        if self.steps == self.config.explode_at:
            loss = loss * float("nan")
        return Objective(loss, {"twice": loss * 2})

    def validate(self, module: nn.Module, fabric: Fabric) -> dict[str, float]:
        rows = torch.arange(self.rows, len(self.ids))
        logits = predict(
            fabric, lambda batch: module(*batch), lambda part: (self.ids[part], self.numbers[part]), rows,
            self.config.training.eval_batch_rows,
        )  # fmt: skip
        targets = self.targets[rows]
        accuracy = ((logits > 0) == targets.bool()).float().mean().item()
        return {"loss": F.binary_cross_entropy_with_logits(logits, targets).item(), "accuracy": accuracy}


def write_toy(folder: Path, **values: Any) -> Path:
    """Write a recipe of the toy family; returns its path."""
    training = {"epochs": 3, "batch_rows": 8, "learning_rate": 0.02, "accelerator": "cpu", "threads": 1}
    training |= {
        "checkpoint_every_steps": 5,
        "log_every_steps": 2,
        "warmup_share": 0.2,
        "schedule": "cosine",
        "clip_norm": 1.0,
    }
    path = folder / "toy.yaml"
    path.write_text(yaml.safe_dump({"name": "toy", "family": "toy", "training": training, **values}))
    return path
