"""The search as the rest of serving sees it: a query and what may come back; the best items."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from bundle.catalogue import Catalogue
from serving.errors import JubakoError
from serving.index.rows import NOTHING, Positions, Scores, make_row
from serving.scheduler import Backend
from serving.telemetry.request_context import CURRENT, Stage


@dataclass(frozen=True)
class Found:
    """What a search found, best first."""

    positions: Positions  # [found]
    scores: Scores  # [found], dot products of query and items
    queue_s: float = 0.0
    compute_s: float = 0.0


class Search:
    """Searches a catalogue through a backend, whichever index that has."""

    def __init__(self, backend: Backend, catalogue: Catalogue) -> None:
        self.backend = backend
        self._catalogue = catalogue

    async def top(
        self,
        query: NDArray[np.float32],
        depth: int,
        *,
        excluded: Sequence[int] | Positions = NOTHING,
        allowed: Positions | None = None,
        deadline: float,
    ) -> Found:
        """Return the best `depth` items, or all that there are where fewer may come back.

        Args:
            query: [dimensions], as the model compares it: of unit length where the items are.
            depth: how many items are wanted.
            excluded: positions that never come back, in any order; what is no position is passed over.
            allowed: sorted positions, each once, outside of which nothing comes back; None: all.
            deadline: a time of `time.monotonic`.

        Raises:
            JubakoError: `overloaded`, `deadline`, or `failed` when a score is not finite.
        """
        items = len(self._catalogue)
        depth = min(depth, items if allowed is None else len(allowed))
        if depth < 1:
            return Found(NOTHING, np.zeros(0, dtype=np.float32))
        struck = np.asarray(excluded, dtype=np.int64)
        struck = struck[(struck >= 0) & (struck < items)]
        row = make_row(np.asarray(query, dtype=np.float32), depth, struck, allowed)
        begin = perf_counter()
        done = await self.backend.run([row], deadline)
        if (context := CURRENT.get()) is not None and context.span is not None:
            seconds = perf_counter() - begin
            context.note(Stage("search", begin, seconds, {"jubako.batch_rows": done.batch_rows, "jubako.depth": depth}))
        output = done.outputs[0]
        if isinstance(output, JubakoError):
            raise output
        kept = np.flatnonzero(output[0] >= 0)[:depth]
        return Found(output[0, kept].astype(np.int64), output[1, kept], done.queue_s, done.compute_s)

    def close(self) -> None:
        """Let running searches end."""
        self.backend.close()
