"""Just enough of Prometheus' text format to take differences of counters."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class BatchCounters:
    """What a server has computed so far."""

    rows: float = 0.0
    batches: float = 0.0
    tokens: float = 0.0
    padded_tokens: float = 0.0

    @classmethod
    def parse(cls, text: str, prefix: str) -> Self:
        """Read the counters whose names begin with `prefix` from the text of a /metrics page."""
        return cls(
            rows=total(text, f"{prefix}_batch_rows_sum"),
            batches=total(text, f"{prefix}_batch_rows_count"),
            tokens=total(text, f"{prefix}_tokens_total"),
            padded_tokens=total(text, f"{prefix}_padded_tokens_total"),
        )

    def since(self, earlier: "BatchCounters") -> "BatchCounters":
        """Return what was computed after `earlier`."""
        return BatchCounters(**{key: value - getattr(earlier, key) for key, value in vars(self).items()})

    @property
    def mean_batch(self) -> float:
        """Rows per micro-batch; NaN when nothing was computed."""
        return self.rows / self.batches if self.batches else float("nan")

    @property
    def padding_ratio(self) -> float:
        """Padded tokens per token; NaN when nothing was computed."""
        return self.padded_tokens / self.tokens if self.tokens else float("nan")


def total(text: str, name: str) -> float:
    """Return the sum of a metric over all its label sets, 0 when it is not there."""
    found = 0.0
    for line in text.splitlines():
        if line.startswith(name) and line[len(name) : len(name) + 1] in ("{", " "):
            found += float(line.rsplit("}", 1)[-1].split()[0] if "}" in line else line.split()[1])
    return found
