"""The similarity task that gates are measured on: graded pairs of texts, scored by rank correlation.

With `JUBAKO_DATA_DIR` set, pairs are real paper abstracts graded by the overlap of their categories. Without it they
are generated: sentences put together from slots, graded by how many slots two of them share.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.golden import cosine_rows
from bundle.manifest import TaskMetric
from export.sentences import Scene, draw_scene, vary, write_scene

DATA_VARIABLE = "JUBAKO_DATA_DIR"
PAPERS_FILE = "arxiv_papers.parquet"
PAPER_COUNT = 600
PAPER_WORDS = 60
PAIRS = 6000


@dataclass(frozen=True)
class SimilarityTask:
    """Pairs of texts and how alike they are."""

    texts: list[str]
    left: NDArray[np.int64]  # [pairs], position in `texts`
    right: NDArray[np.int64]  # [pairs]
    grades: NDArray[np.float64]  # [pairs], larger is more alike
    protocol: str

    def score(self, vectors: NDArray[np.float32]) -> TaskMetric:
        """Return Spearman's correlation of cosines with grades, for the vectors [texts, dimensions] of `texts`."""
        cosines = cosine_rows(vectors[self.left], vectors[self.right])  # [pairs]
        return TaskMetric(name="spearman", value=spearman(cosines, self.grades), protocol=self.protocol)


def load_task(seed: int = 0) -> SimilarityTask:
    """Return the task on real texts when they are at hand, else on generated ones."""
    folder = os.environ.get(DATA_VARIABLE)
    path = Path(folder) / PAPERS_FILE if folder else None
    return papers_task(path, seed) if path is not None and path.is_file() else generated_task(seed)


def papers_task(path: Path, seed: int = 0) -> SimilarityTask:
    """Pairs of papers, half of them with a category in common, graded by the Jaccard overlap of their categories."""
    import polars

    frame = polars.read_parquet(path, columns=["title", "abstract", "categories"])
    frame = frame.sample(min(PAPER_COUNT, len(frame)), seed=seed)
    texts = [
        " ".join(f"{row['title']}. {row['abstract']}".split()[:PAPER_WORDS]) for row in frame.iter_rows(named=True)
    ]
    labels = [set(row) for row in frame["categories"].to_list()]
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, len(texts), (2, 20 * PAIRS))  # [candidates]
    grades = np.array([_jaccard(labels[a], labels[b]) for a, b in zip(left, right, strict=True)])
    alike = np.flatnonzero((grades > 0) & (left != right))[: PAIRS // 2]
    apart = np.flatnonzero((grades == 0) & (left != right))[: PAIRS // 2]
    at = np.concatenate([alike, apart])  # [pairs]
    protocol = (
        f"{len(texts)} arXiv papers (title and abstract, {PAPER_WORDS} words), {len(at)} pairs, cosine against Jaccard "
        f"overlap of categories, half of the pairs with overlap, seed {seed}"
    )
    return SimilarityTask(texts, left[at], right[at], grades[at], protocol)


def generated_task(seed: int = 0, scenes: int = 150) -> SimilarityTask:
    """Pairs of generated sentences: each scene against itself reworded with 0, 1, 2, ... of its slots changed."""
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    left, right, grades = [], [], []
    for _ in range(scenes):
        scene = draw_scene(rng)
        anchor = len(texts)
        texts.append(write_scene(scene, rng))
        for changed in range(len(Scene._fields) + 1):
            left.append(anchor)
            right.append(len(texts))
            grades.append(float(len(Scene._fields) - changed))
            texts.append(write_scene(vary(scene, changed, rng), rng))
    protocol = f"{len(left)} pairs of generated sentences, cosine against number of shared slots, seed {seed}"
    return SimilarityTask(texts, np.array(left), np.array(right), np.array(grades), protocol)


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation of two vectors [pairs]; ties share their mean rank."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)  # [distinct], rank of the last of each group of ties
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2.0)[inverse]
    return ranks


def _jaccard(a: set[str], b: set[str]) -> float:
    return len(a & b) / max(1, len(a | b))
