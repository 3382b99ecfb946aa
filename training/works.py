"""The recipe of encoders of fan works: works and their tags in, vectors out whose neighbours go together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from features.fields import DENSE, FieldFeatures
from features.rows import FeatureRow
from features.works import Work
from models.fields import FieldBag
from models.works import WorkEncoder
from training.candidates import READERS, CoOccurrence
from training.data.errors import DataError
from training.data.fanworks import KINDS
from training.data.works import Works, load_works
from training.errors import TrainingError
from training.losses.listnet import ListNetLoss
from training.losses.noise import NoiseSimilarityLoss, corrupt
from training.metrics.arrays import mean
from training.metrics.neighbours import agreement, sets_of
from training.predict import predict
from training.recipe import Fingerprint, Objective, Recipe
from training.work_features import DROPPED, FREEFORM, WORDS, bare, fit_features, rarities, work_records
from training.work_neighbours import CUTOFF, SETS, neighbours
from training.works_config import SparseFieldsConfig

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


class WorkBatch(TypedDict):
    """One step."""

    works: list[Tensor]
    """What the encoder reads of the works, anchors first: ids int64 [works, length], numbers float32 [works, dense]."""
    noisy: list[Tensor]
    """The same with some ids replaced; empty: nothing is asked of it."""
    relevance: Tensor
    """Of each work to each anchor, float32 [anchors, works]."""
    there: Tensor
    """Which works are an anchor's candidates, bool [anchors, works]: not itself, and none where nothing is relevant."""


@dataclass(frozen=True)
class _Encoded:
    """Works, encoded as they are and bare."""

    whole: Sequence[FeatureRow]
    bare: Sequence[FeatureRow]


class SparseFieldsRecipe(Recipe[SparseFieldsConfig]):
    """Trains the encoder on training works alone; a row is an anchor."""

    config_class = SparseFieldsConfig

    def prepare(self) -> None:
        """Read and divide the works and fit vocabularies and rarities on the training part.

        Raises:
            TrainingError: the data is missing or malformed.
        """
        if hasattr(self, "co_occurrence"):
            return
        try:
            self.data: Works = load_works(self.config.data)
        except DataError as error:
            raise TrainingError(str(error)) from error
        train = self.data.train
        self.records: list[Work] = work_records(self.data)
        own = [self.records[at] for at in train]
        self.features = FieldFeatures(fit_features(self.config.reads, own).encoders["item"])
        self.encoded = _Encoded(self.features.encode(own), self.features.encode([bare(work) for work in own]))
        candidates = self.config.candidates
        shared: dict[str, float] = dict(candidates.shared.items())
        overlap: dict[str, float] = dict(candidates.overlap.items())
        if candidates.readers:
            overlap[READERS] = candidates.readers
        lists = {kind: self._lists(kind, train) for kind in (*shared, *overlap)}
        self.co_occurrence = CoOccurrence.of(lists, shared, overlap)

    def fingerprint(self) -> Fingerprint:
        """Describe the prepared data."""
        parts = {"train": self.data.train, "validation": self.data.validation, "test": self.data.test}
        rows = {name: len(part) for name, part in parts.items()}
        return Fingerprint(description=self.data.description, sha256=self.data.fingerprint, rows=rows)

    @property
    def rows(self) -> int:
        """Training works."""
        return len(self.data.train)

    def module(self) -> WorkEncoder:
        """Build the encoder."""
        shape, fields = self.config.encoder, self.features.config.fields
        counts = {field.name: torch.from_numpy(rarities(self.encoded.whole, field)) for field in fields}
        deep = shape.variant == "deep"
        dense = self.features.config.dense
        return WorkEncoder(
            {field.name: field.vocabulary.rows for field in fields},
            shape.width,
            counts=counts,
            dense=len(dense.names) if dense else 0,
            interactions=deep,
            hidden=shape.hidden if deep else (),
            dropout=shape.dropout,
        )

    def optimizers(self, module: nn.Module) -> list[Optimizer]:
        """Make Adam, with a rate of their own for tables."""
        rate = self.config.training.learning_rate
        bags = [bag for bag in module.modules() if isinstance(bag, FieldBag)]
        tables = [bag.weight for bag in bags]
        known = {id(table) for table in tables}
        others = [parameter for parameter in module.parameters() if id(parameter) not in known]
        quick = rate * self.config.objective.table_rate_factor
        return [Adam([{"params": tables, "lr": quick}, {"params": others, "lr": rate}])]

    def batch(self, rows: Tensor, generator: torch.Generator) -> WorkBatch:
        """Draw what each work shows, and gather the lists of the anchors `rows`."""
        settings, anchors = self.config.objective, rows.numpy()
        works = anchors
        if self.config.candidates.related:
            drawn = self.co_occurrence.related(anchors, self.config.candidates.related, generator)
            works = np.concatenate([anchors, np.setdiff1d(drawn, anchors)])  # [works], each once
        shown = self._shown(works, generator)
        noisy = {
            name: feature if name == DENSE else corrupt(feature, settings.noise_share, generator)
            for name, feature in shown.items()
        }
        relevance = torch.from_numpy(self.co_occurrence.between(anchors, works))  # [anchors, works]
        itself = torch.from_numpy(anchors[:, None] == works[None])
        return {
            "works": list(shown.values()),
            "noisy": list(noisy.values()) if settings.noise else [],
            "relevance": relevance,
            "there": ~itself & relevance.any(dim=1, keepdim=True),
        }

    def objective(self, module: nn.Module, batch: Any) -> Objective:
        """Return ListNet over cosines to all works of the step, and the noise-similarity regulariser."""
        settings, relevance = self.config.objective, batch["relevance"]
        vectors = module(*batch["works"])  # [works, width]
        scores = vectors[: len(relevance)] @ vectors.T  # [anchors, works]
        # The softmax of its logarithm is relevance over its sum; that of relevance itself hardly tells 0 from 1.
        wanted = settings.sharpness * relevance.log()
        ranked = ListNetLoss(settings.scale)(scores, wanted, batch["there"])
        if not batch["noisy"]:
            return Objective(ranked, {"listnet": ranked.detach()})
        noise = NoiseSimilarityLoss()(vectors, module(*batch["noisy"]))
        return Objective(ranked + settings.noise * noise, {"listnet": ranked.detach(), "noise": noise.detach()})

    def validate(self, module: nn.Module, fabric: Fabric) -> dict[str, float]:
        """Find neighbours of validation works among these and training works, of all of which little is told."""
        rows = np.union1d(self.data.train, self.data.validation)
        vectors = self.vectors(_unwrapped(module), [bare(self.records[at]) for at in rows], fabric)
        asked = np.searchsorted(rows, self.data.validation)
        top = neighbours(vectors[asked], asked, vectors, CUTOFF)
        found = {}
        for name, kind in SETS.items():
            sets = sets_of(self._lists(kind, rows))
            some = np.diff(sets[asked].indptr) > 0
            found[f"{name}@{CUTOFF}"] = mean(agreement(top[some], sets[asked[some]], sets))
        return found

    def vectors(self, module: WorkEncoder, works: Sequence[Work], fabric: Fabric) -> Vectors:
        """Return the vectors of works, [works, width], encoded in order of length."""
        rows = self.features.encode(works)
        order = np.argsort([len(row) for row in rows], kind="stable")
        device = fabric.to_device(module)

        def collate(places: Tensor) -> list[Tensor]:
            return list(self._tensors([rows[at] for at in places.tolist()]).values())

        found = predict(
            fabric,
            lambda inputs: device(*inputs),
            collate,
            torch.from_numpy(order),
            self.config.training.eval_batch_rows,
        )
        vectors = np.empty(found.shape, np.float32)
        vectors[order] = found.numpy()
        return vectors

    def _shown(self, places: Rows, generator: torch.Generator) -> dict[str, Tensor]:
        """Return what is told of works in a step, by input: all of bare ones, some fields of others, not all words."""
        settings = self.config.objective
        hidden = torch.rand(len(places), generator=generator) < settings.bare  # [works]
        encoded = [
            (self.encoded.bare if nothing else self.encoded.whole)[at]
            for at, nothing in zip(places.tolist(), hidden.tolist(), strict=True)
        ]
        shown = self._tensors(encoded)
        lots = torch.rand(len(places), len(shown), generator=generator)  # [works, inputs]
        kept = hidden[:, None] | (lots >= settings.field_dropout)
        texts = torch.tensor([name in (WORDS, FREEFORM) for name in shown])
        kept |= texts & ~kept.any(dim=1, keepdim=True)  # a work that would show nothing is bare
        for at, (name, feature) in enumerate(shown.items()):
            shown[name] = feature * kept[:, at, None].to(feature.dtype)
            if name in DROPPED and settings.token_dropout:
                there = torch.rand(feature.shape, generator=generator) >= settings.token_dropout
                shown[name] = shown[name] * there
        return shown

    def _tensors(self, rows: Sequence[FeatureRow]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(feature) for name, feature in self.features.collate(rows).inputs.items()}

    def _lists(self, kind: str, rows: Rows) -> list[list[str]]:
        """Return what works have of a kind of tag, or their readers.

        Raises:
            TrainingError: the data tells no readers.
        """
        frame = self.data.frame
        if kind not in KINDS and kind not in frame.columns:
            raise TrainingError(f"{self.data.description}: no column {kind!r}; set candidates.{kind} to 0")
        lists = self.data.tags(kind) if kind in KINDS else frame[kind]
        return [each or [] for each in lists[rows].to_list()]


def _unwrapped(module: nn.Module) -> WorkEncoder:
    inner = getattr(module, "module", module)
    assert isinstance(inner, WorkEncoder)
    return inner
