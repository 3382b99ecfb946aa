"""What a model family brings to the loop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import torch
from lightning_fabric import Fabric
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.optim import Optimizer

from training.config import RecipeConfig

C = TypeVar("C", bound=RecipeConfig)


class Fingerprint(BaseModel):
    """Which data a model was trained on: the `data.json` of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str
    """What the data is, for people: `generated sample, seed 0` or the name and version of a public set."""
    sha256: str
    """Digest of the rows as they enter training, after cleaning and splitting."""
    rows: dict[str, int]
    """Rows of each split."""


@dataclass(frozen=True)
class Objective:
    """What one step minimises."""

    loss: Tensor
    """Scalar, the mean over the rows of the batch."""
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    """Scalars to log beside it; the same names at every step."""


class Recipe(ABC, Generic[C]):
    """One family's data, module, objective and validation; the loop does the rest.

    The loop calls `prepare` once, before anything else, on every device's process. Batches are made from row numbers,
    so that which rows meet in which step depends on nothing but seed, epoch and step, and a killed run resumes exactly.
    """

    config_class: ClassVar[type[RecipeConfig]]
    """The configuration that this family's YAML is checked against."""

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def prepare(self) -> None:
        """Read, clean and split the data and fit what is fitted on it; calling it again does nothing.

        Raises:
            TrainingError: the data is missing or malformed.
        """

    @abstractmethod
    def fingerprint(self) -> Fingerprint:
        """Describe the prepared data; a run is not resumed on other data."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Training rows."""

    @abstractmethod
    def module(self) -> nn.Module:
        """Build the module with its initial weights, drawn from torch's global generator."""

    @abstractmethod
    def batch(self, rows: Tensor, generator: torch.Generator) -> Any:
        """Collate training rows, int64 [batch], into tensors on the CPU, in any nesting of dicts, lists and tuples.

        Runs in a worker thread: all that is random here has to be drawn from `generator`, whose seed is a function of
        the run's seed, epoch and step.
        """

    @abstractmethod
    def objective(self, module: nn.Module, batch: Any) -> Objective:
        """Compute the objective of one batch, on the module's device; `module` is called, not its methods."""

    @abstractmethod
    def validate(self, module: nn.Module, fabric: Fabric) -> dict[str, float]:
        """Compute metrics on the validation rows, in evaluation mode and without gradients; see `training.predict`."""

    def order(self, generator: torch.Generator) -> Tensor:
        """Return the order of an epoch's rows, int64 [rows]: steps take consecutive runs of it; default: shuffled."""
        return torch.randperm(self.rows, generator=generator)

    def optimizers(self, module: nn.Module) -> list[Optimizer]:
        """Make the optimisers, each with its peak learning rate; default: AdamW without decay on biases and norms."""
        settings = self.config.training
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        groups = [
            {
                "params": [parameter for parameter in trained if parameter.ndim > 1],
                "weight_decay": settings.weight_decay,
            },
            {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
        ]
        return [torch.optim.AdamW([group for group in groups if group["params"]], lr=settings.learning_rate)]
