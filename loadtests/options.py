"""How thorough a run of the benchmark is."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """How thorough a run is. Times are in seconds."""

    rounds: int = 3
    pairs: int = 6
    """Further turns of bound and Jubako alone, one right after the other: the nearer they are in time, the likelier the
    machine was equally fast for both."""
    texts: int = 1024
    """Inputs of the workload; sixteen times as many records where the model is a bag."""
    window_s: float = 5.0
    warmup_s: float = 1.5
    settle_s: float = 5.5
    """Further warm-up of arms that adapt: BentoML's dispatcher learns anew every 5 s."""
    tune_bound_s: float = 20.0
    tune_arm_s: float = 4.0
    idle_s: float = 10.0
    seed: int = 1
    all_arms: bool = True
    """Include BentoML one by one, and try the variants of BentoML's arms."""
    lock: Path | None = None


QUICK = Options(
    rounds=1, pairs=0, texts=320, window_s=2.0, warmup_s=0.7, settle_s=0.0, tune_bound_s=5.0, idle_s=3.0, all_arms=False
)

CLASSIFY = Options(pairs=4, texts=256, window_s=4.0, tune_bound_s=10.0)
"""Shorter, for a classifier beside the text encoder; a transformer's bound takes some seconds a turn."""
