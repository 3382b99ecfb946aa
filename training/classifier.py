"""The recipe of text classifiers: records with labels in, a module and its decision rule out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer, SparseAdam

from features.labels import LabelSet
from features.pipeline import TOKENIZER_FILE, Pipeline
from features.rows import FeatureRow
from features.text import TextTokenizer
from models.backbone import Backbone
from models.bag import BagVocabulary, NgramBag
from models.branches import Inputs, Votes
from models.classifier import TextClassifier
from models.errors import CheckpointError
from models.source import Source
from training.classifier_config import ClassifierConfig
from training.classifier_parts import features_config, make_branches, make_loss, open_encoder
from training.data.arrays import targets, texts
from training.data.errors import DataError
from training.data.sets import DataSet, load
from training.data.sources import cache_dir
from training.data.splits import Splits, split
from training.decision.objective import best_global
from training.errors import TrainingError
from training.metrics.averages import macro_f1, micro_f1
from training.metrics.ranking import lrap
from training.predict import predict
from training.readings import Readings, key_of, read_all
from training.recipe import Fingerprint, Objective, Recipe
from training.steps import Steps

CHUNK_BATCHES = 16
"""Batches among which rows are sorted by length, so that each holds rows of like length."""


@dataclass(frozen=True)
class Part:
    """One part of the data, ready to be computed on."""

    frame: pl.DataFrame
    texts: list[str]
    rows: list[FeatureRow]
    truth: NDArray[np.bool_]  # [rows, labels]
    readings: Readings | None = None
    """What the frozen transformer gives; None: it is not frozen, not there, or runs anew for each score."""


class ClassifierRecipe(Recipe[ClassifierConfig]):
    """Trains the branches of a text classifier side by side."""

    config_class = ClassifierConfig

    def prepare(self) -> None:
        """Read and split the data, encode it, and fit the vocabulary on the training rows.

        Raises:
            TrainingError: the data or the transformer is missing or malformed.
        """
        if hasattr(self, "_auxiliary_loss"):
            return
        try:
            self.data: DataSet = load(self.config.data)
            self.splits: Splits = split(self.data.frame, self.config.data.protocol)
            self._open_pipeline(features_config(self.config, self.data.source.kind))
        except (DataError, CheckpointError) as error:
            raise TrainingError(str(error)) from error
        names = self.data.label_names()
        self.label_set = LabelSet.of(names, self.data.implications(self.splits.train))
        self.train = self.with_readings(self.part(self.splits.train), "train")
        self.validation = self.with_readings(self.part(self.splits.validation), "validation")
        self.auxiliary = _auxiliary(self.splits.train, self.data.labels, self.config.objective.auxiliary_labels)
        self.vocabulary: BagVocabulary | None = None
        if (bag := self.config.bag) is not None:
            self.vocabulary = BagVocabulary.fit(self.train.rows, bag.ngrams.buckets, bag.min_documents, bag.max_rows)
        self._loss = make_loss(self.config.objective, self.train.truth)
        self._auxiliary_loss = make_loss(self.config.objective, self.auxiliary)

    def fingerprint(self) -> Fingerprint:
        """Describe the prepared data."""
        parts = ("train", "validation", "test", "left_out")
        rows = {name: getattr(self.splits, name).height for name in parts}
        return Fingerprint(description=self.data.description, sha256=self.data.fingerprint, rows=rows)

    @property
    def rows(self) -> int:
        """Training rows."""
        return len(self.train.rows)

    def module(self) -> TextClassifier:
        """Build the branches, with the transformer where it is trained too."""
        branches = make_branches(self.config, self.vocabulary, self.backbone, self.train.truth, self.auxiliary)
        return TextClassifier(len(self.data.labels), branches, None if self._frozen else self.backbone)

    def optimizers(self, module: nn.Module) -> list[Optimizer]:
        """Make an optimiser for each kind of weight, each branch at its share of the rate.

        What is dense gets AdamW, the tables of the layers branch a sparse Adam. Votes get plain descent, as logistic
        regression does: Adam takes steps of one size, so that an n-gram seen three times would vote like a common one.
        """
        dense: list[dict[str, Any]] = []
        adaptive: list[dict[str, Any]] = []
        plain: list[dict[str, Any]] = []
        rate, decay = self.config.training.learning_rate, self.config.training.weight_decay
        for name, branch in _branches(module):
            settings = getattr(self.config.branches, name)
            tables = {id(bag.table.weight) for bag in branch.modules() if isinstance(bag, NgramBag)}
            others = [parameter for parameter in branch.parameters() if id(parameter) not in tables]
            dense += _groups(others, rate * settings.rate_factor, decay)
            found = [parameter for parameter in branch.parameters() if id(parameter) in tables]
            if found and isinstance(branch, Votes):
                # The loss is a mean over the batch, but a row of the table is touched by few of its rows.
                plain.append(
                    {"params": found, "lr": rate * settings.table_rate_factor * self.config.training.batch_rows}
                )
            elif found:
                adaptive.append({"params": found, "lr": rate * settings.table_rate_factor})
        if not self._frozen and self.backbone is not None and self.config.encoder is not None:
            dense += _groups(list(self.backbone.parameters()), rate * self.config.encoder.rate_factor, decay)
        optimizers: list[Optimizer] = [AdamW(dense, lr=rate)]
        optimizers += [SparseAdam(adaptive)] if adaptive else []
        return [*optimizers, SGD(plain)] if plain else optimizers

    def order(self, generator: torch.Generator) -> Tensor:
        """Shuffle; where tokens are read, rows of like length meet in batches, which are shuffled again."""
        order = torch.randperm(self.rows, generator=generator)
        if self.config.branches.attention is None and self._frozen:
            return order
        size = self.config.training.batch_rows
        lengths = torch.tensor([row.tokens for row in self.train.rows])
        chunks = [chunk[lengths[chunk].argsort(stable=True)] for chunk in torch.split(order, CHUNK_BATCHES * size)]
        batches = torch.split(torch.cat(chunks), size)
        full, rest = [batch for batch in batches if len(batch) == size], [b for b in batches if len(b) < size]
        shuffled = [full[at] for at in torch.randperm(len(full), generator=generator).tolist()]
        return torch.cat([*shuffled, *rest])

    def batch(self, rows: Tensor, generator: torch.Generator) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Collate inputs, labels [batch, labels] and auxiliary labels [batch, auxiliary labels]."""
        places = rows.numpy()
        truth, auxiliary = self.train.truth[places], self.auxiliary[places]
        return self.inputs(self.train, places), torch.from_numpy(truth), torch.from_numpy(auxiliary)

    def objective(self, module: nn.Module, batch: Any) -> Objective:
        """Add up the branches' losses, each summed over its labels."""
        inputs, truth, auxiliary = batch
        labels, weight = truth.shape[1], self.config.objective.auxiliary_weight
        total = torch.zeros((), device=truth.device)
        parts: dict[str, Tensor] = {}
        for (name, _), logits in zip(_branches(module), module(inputs), strict=True):
            loss = self._loss(logits[:, :labels], truth) * labels
            parts[name] = loss.detach()
            if logits.shape[1] > labels:
                further = logits.shape[1] - labels
                loss = loss + weight * further * self._auxiliary_loss(logits[:, labels:], auxiliary)
            total = total + loss
        return Objective(total, parts)

    def validate(self, module: nn.Module, fabric: Fabric) -> dict[str, float]:
        """Return ranking and F1 on the validation rows, with the one threshold that is best there."""
        scores, truth = self.scores(module, self.validation, fabric), self.validation.truth
        rule = self.label_set.with_decision(None, [best_global(scores, truth, self.label_set, 0.5)] * truth.shape[1])
        assigned = rule.assign(scores)
        micro, macro = micro_f1(truth, assigned), macro_f1(truth, assigned)
        return {"lrap": lrap(truth, scores), "micro_f1": micro, "macro_f1": macro, "f1": (micro + macro) / 2}

    def scores(self, module: nn.Module, part: Part, fabric: Fabric) -> NDArray[np.float32]:
        """Return the mean branch's scores of a part's rows, uncalibrated, float32 [rows, labels]."""
        order = np.argsort([row.tokens for row in part.rows], kind="stable")
        classifier = _unwrapped(module)

        def forward(inputs: Inputs) -> Tensor:
            return torch.sigmoid(classifier.logits(inputs)).float()

        collate = partial(self._collate, part)
        found = predict(fabric, forward, collate, torch.from_numpy(order), self.config.training.eval_batch_rows)
        scores = np.empty(found.shape, np.float32)
        scores[order] = found.numpy()
        return scores

    def inputs(self, part: Part, places: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return what the branches read of rows: features, and the transformer's readings where they are kept."""
        feed = self.pipeline.features.collate([part.rows[at] for at in places])
        inputs = {name: torch.from_numpy(array) for name, array in feed.inputs.items()}
        return {**inputs, **part.readings.batch(places)} if part.readings is not None else inputs

    def part(self, frame: pl.DataFrame) -> Part:
        """Compose and encode the rows of one part of the data."""
        composed = texts(frame, self.data.source.kind, self.config.fields, self.config.cleaning)
        truth = targets(frame, self.data.labels)
        return Part(frame, composed, self.pipeline.features.encode(composed), truth)

    def whole(self, module: nn.Module) -> TextClassifier:
        """Return a trained module with its transformer, so that it reads texts from their features alone."""
        classifier = _unwrapped(module)
        return TextClassifier(classifier.labels, dict(classifier.branches.items()), self.backbone).eval()

    @property
    def _frozen(self) -> bool:
        return self.config.encoder is None or self.config.encoder.frozen

    def _collate(self, part: Part, rows: Tensor) -> dict[str, Tensor]:
        return self.inputs(part, rows.numpy())

    def _open_pipeline(self, features: Any) -> None:
        self.source: Source | None = None
        self.backbone: Backbone | None = None
        self._tokenizer: TextTokenizer | None = None
        if (encoder := self.config.encoder) is None:
            self.pipeline = Pipeline.make(features)
            return
        self._scratch = TemporaryDirectory(prefix="jubako-tokenizer-")
        folder = Path(self._scratch.name)
        self.source, self.backbone = open_encoder(encoder, folder)
        self._tokenizer = TextTokenizer(folder / TOKENIZER_FILE, encoder.max_tokens)
        self.pipeline = Pipeline.make(features, folder / TOKENIZER_FILE)

    @property
    def tokenizer_file(self) -> Path | None:
        """The transformer's tokeniser, for the bundle."""
        return Path(self._scratch.name) / TOKENIZER_FILE if self.backbone is not None else None

    def with_readings(self, part: Part, name: str) -> Part:
        """Add what a frozen transformer gives for the rows, computed now or taken from the cache."""
        encoder, wanted = self.config.encoder, self.config.branches
        if encoder is None or not encoder.frozen:
            return part
        assert self.backbone is not None
        assert self._tokenizer is not None
        assert self.source is not None
        with_tokens = wanted.attention is not None
        key = key_of(part.rows, self.source.weights_sha256, encoder.token_layer, with_tokens)
        folder = cache_dir().parent / "readings" / key
        with Steps().step(f"{name}: {len(part.rows)} texts through the frozen transformer") as tick:
            return replace(
                part, readings=read_all(self.backbone, self._tokenizer, part.rows, folder, with_tokens, tick)
            )


def _auxiliary(frame: pl.DataFrame, labels: Sequence[str], most: int) -> NDArray[np.bool_]:
    """Return the most frequent labels of the rows that are not among `labels`, [rows, auxiliary labels]."""
    counts = frame["all_labels"].explode().drop_nulls().value_counts(name="rows")
    others = counts.filter(~pl.col("all_labels").is_in(list(labels))).sort(
        "rows", "all_labels", descending=[True, False]
    )
    names = others["all_labels"].head(most).to_list()
    return targets(frame, names, "all_labels") if names else np.zeros((frame.height, 0), np.bool_)


def _groups(parameters: Sequence[nn.Parameter], rate: float, decay: float) -> list[dict[str, Any]]:
    """Divide parameters into those that decay and biases, norms and the like, which do not."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    divided = ([p for p in trained if p.ndim > 1], decay), ([p for p in trained if p.ndim <= 1], 0.0)
    return [{"params": params, "lr": rate, "weight_decay": share} for params, share in divided if params]


def _unwrapped(module: nn.Module) -> TextClassifier:
    inner = getattr(module, "module", module)
    assert isinstance(inner, TextClassifier)
    return inner


def _branches(module: nn.Module) -> list[tuple[str, nn.Module]]:
    return list(_unwrapped(module).branches.items())
