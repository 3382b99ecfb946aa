"""What to train and how: the part of a recipe's YAML that every family shares."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Base of everything read from a recipe: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EarlyStoppingConfig(Config):
    """Which validation metric is watched: it picks the best checkpoint and may end the run."""

    metric: str = "loss"
    """Name of a metric that the recipe's `validate` returns."""
    mode: Literal["max", "min"] = "min"
    """Whether larger or smaller is better."""
    patience_epochs: int = Field(0, ge=0)
    """Epochs without improvement after which the run ends; 0: never."""
    min_delta: float = Field(0.0, ge=0)
    """Change, in the metric's own unit, that counts as an improvement for the patience."""


class TrainingConfig(Config):
    """Settings of the loop."""

    epochs: int = Field(10, ge=1)
    """Passes over the training rows, at most."""
    batch_rows: int = Field(256, ge=1)
    """Rows of one optimiser step, over all devices together; the last step of an epoch takes what is left."""
    eval_batch_rows: int = Field(1024, ge=1)
    """Rows of one forward pass of validation, on each device."""
    learning_rate: float = Field(1e-3, gt=0)
    """Peak of the schedule."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled decay of AdamW, per unit of learning rate."""
    warmup_share: float = Field(0.0, ge=0, lt=1)
    """Share of all steps over which the learning rate rises from 0 to its peak; 0: none."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """Course of the learning rate after the warm-up; linear and cosine end at 0 with the last epoch."""
    clip_norm: float = Field(0.0, ge=0)
    """Largest L2 norm of each optimiser's dense gradients; 0: no clipping."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Arithmetic of the forward pass; weights and optimiser states stay fp32."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; auto: a GPU if there is one."""
    devices: int = Field(1, ge=1)
    """GPUs, or processes on the CPU, that share each batch."""
    threads: int = Field(0, ge=0)
    """CPU threads of each process; 0: all cores, or OMP_NUM_THREADS. Results are bit-equal only for equal threads."""
    deterministic: bool = True
    """Refuse operations whose result varies from run to run; off for GPU operations that have no other form."""
    prefetch_batches: int = Field(2, ge=0)
    """Batches that a worker thread prepares ahead; 0: prepare each when it is needed."""
    checkpoint_every_steps: int = Field(500, ge=0)
    """Steps between checkpoints within an epoch; 0: only at the end of each epoch."""
    log_every_steps: int = Field(20, ge=1)
    """Steps between points of the training curves."""
    early_stopping: EarlyStoppingConfig = EarlyStoppingConfig()
    """The watched metric."""


HARMLESS = frozenset(
    {
        "training.accelerator", "training.devices", "training.threads", "training.deterministic",
        "training.eval_batch_rows", "training.prefetch_batches", "training.checkpoint_every_steps",
        "training.log_every_steps",
    }
)  # fmt: skip
"""Keys that may change between the sessions of one run: they say where and how often, not what is learnt."""


class RecipeConfig(Config):
    """What every family's configuration has; a family adds its data, encoder, objective and export."""

    name: str = Field(pattern="^[a-z0-9][a-z0-9._-]*$")
    """Name of the model, its run folder and its bundle."""
    family: str
    """Key of `training.recipes.FAMILIES`: which recipe reads this configuration."""
    seed: int = Field(0, ge=0)
    """Seed of everything random: splits, initial weights, order of rows, dropout."""
    training: TrainingConfig = TrainingConfig()
    """Settings of the loop."""
