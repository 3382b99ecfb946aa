"""How far a run has come: what a checkpoint holds beside tensors, and the metrics.json of a run."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from training.early_stopping import Watch


class Record(BaseModel):
    """Base of what training writes about itself."""

    model_config = ConfigDict(extra="forbid")


class EpochRecord(Record):
    """One finished epoch."""

    epoch: int
    """Counted from 1."""
    step: int
    """Steps since the start of the run."""
    train: dict[str, float]
    """Mean of the loss and its parts over the epoch's steps."""
    validation: dict[str, float]
    """What the recipe's `validate` returned."""
    learning_rate_factor: float
    """Share of the peak learning rate at the last step."""


class TrainingState(Record):
    """Where a run stands."""

    epoch: int = 0
    """Finished epochs."""
    step_in_epoch: int = 0
    """Finished steps of the epoch under way."""
    step: int = 0
    """Finished steps of the run."""
    sums: dict[str, float] = Field(default_factory=dict)
    """Loss and parts, summed over the finished steps of the epoch under way."""
    seconds: float = 0.0
    """Wall time spent, over all sessions; what was lost with a killed session is not counted."""
    watch: Watch = Field(default_factory=Watch)
    """What has been seen of the watched metric."""
    history: list[EpochRecord] = Field(default_factory=list)
    """The finished epochs."""


class RunMetrics(Record):
    """What came out of a run: its metrics.json, replaced after every epoch."""

    name: str
    family: str
    data: str
    """Description of the data it was trained on."""
    metric: str
    """The watched metric."""
    mode: Literal["max", "min"]
    best: EpochRecord
    """The epoch whose weights are the result."""
    stopped: Literal["epochs", "early"] | None
    """Why the run ended: all epochs done, or patience exhausted; None: it has not ended."""
    epochs: int
    steps: int
    parameters: int
    """Trained parameters."""
    seconds: float
    """Wall time of training and validation, over all sessions."""
    history: list[EpochRecord]

    @property
    def value(self) -> float:
        """The watched metric of the best epoch."""
        return self.best.validation[self.metric]
