"""One pass after the other, each gated: what fails is dropped and its reason kept, what passed before it stays."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bundle.manifest import DroppedPass, GraphRecord, Precision, Provider, Role
from export.gates import Verdict
from training.steps import Steps, Tick

Make = Callable[[Path, Tick], object]
Check = Callable[[Precision, Path], Verdict]

REASON_CHARS = 500


@dataclass
class Passes:
    """Makes graph files in `folder` and keeps what `check` lets through."""

    folder: Path
    check: Check
    steps: Steps
    role: Role = Role.ENCODER
    graphs: list[GraphRecord] = field(default_factory=list)
    dropped: list[DroppedPass] = field(default_factory=list)

    def attempt(self, precision: Precision, make: Make, note: str = "") -> Path | None:
        """Make one file and gate it; return its path, or None when it was dropped."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"{self.role}.{precision}.onnx"
        title = f"{precision}{note}" if self.role is Role.ENCODER else f"{self.role} {precision}{note}"
        try:
            with self.steps.step(title) as tick:
                make(target, tick)
            with self.steps.step(f"gate {title}"):
                verdict = self.check(precision, target)
        except Exception as error:  # whatever a converter raises costs its own pass only
            self._drop(precision, target, f"{title}: {type(error).__name__}: {error}")
            return None
        if not verdict.passed:
            self._drop(precision, target, f"{title}: {'; '.join(verdict.failures)}")
            return None
        self.graphs.append(_record(self.role, precision, target, verdict))
        self.steps.say(f"[green]passed[/green]   {title}: {verdict.told()}")
        return target

    def _drop(self, precision: Precision, target: Path, reason: str) -> None:
        target.unlink(missing_ok=True)
        self.dropped.append(DroppedPass(precision=precision, role=self.role, reason=reason[:REASON_CHARS]))
        self.steps.say(f"[yellow]dropped[/yellow]  {reason[:REASON_CHARS]}")


def _record(role: Role, precision: Precision, path: Path, verdict: Verdict) -> GraphRecord:
    return GraphRecord(
        file=f"graphs/{path.name}",
        role=role,
        precision=precision,
        providers=_PROVIDERS[precision],
        parity=verdict.parity,
        batch_invariance=verdict.batch_invariance,
        metric=verdict.metric,
        metric_drop=verdict.metric_drop,
    )


_PROVIDERS = {
    Precision.FP32: [Provider.CPU, Provider.CUDA],
    Precision.FUSED: [Provider.CPU, Provider.CUDA],
    Precision.INT8: [Provider.CPU],
    Precision.FP16: [Provider.CUDA],
}
