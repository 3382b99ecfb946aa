"""The recipe of two-tower recommenders: interactions in, towers and the vectors of a catalogue out."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer, SparseAdam

from features.fields import FieldFeatures
from features.people import User
from features.records import Book
from features.rows import FeatureRow
from features.towers import TowersConfig
from models.fields import FieldBag
from models.towers import Encoder
from models.two_tower import HISTORY, ITEM, Shape, Sizes, TwoTower, Vectors
from training.baselines.ranker import top_k
from training.data.errors import DataError
from training.data.holdout import Holdout, hold_out
from training.data.interactions import Interactions, load_interactions
from training.errors import TrainingError
from training.losses.category_alignment import CategoryAlignmentLoss
from training.losses.full_softmax import MASKED, FullSoftmaxLoss
from training.losses.mimic import AdaptiveMimicLoss
from training.losses.sampled_softmax import SampledSoftmaxLoss
from training.metrics.lists import Ranked
from training.metrics.topk import per_user
from training.predict import predict
from training.recipe import Fingerprint, Objective, Recipe
from training.steps_of_users import Sampler, UserBatch
from training.tower_features import book_records, fit_features, user_records
from training.two_tower_config import TwoTowerConfig

Array = NDArray[np.float32]
VALIDATED = ("recall@20", "ndcg@20")


class TwoTowerRecipe(Recipe[TwoTowerConfig]):
    """Trains both towers on the training part of interactions; a row is a user."""

    config_class = TwoTowerConfig

    def prepare(self) -> None:
        """Read and divide the interactions and fit the vocabularies on the training part.

        Raises:
            TrainingError: the data is missing or malformed, or too little to validate anything.
        """
        if hasattr(self, "sampler"):
            return
        try:
            self.data: Interactions = load_interactions(self.config.data)
            self.holdout: Holdout = hold_out(self.data, self.config.data.holdout)
        except DataError as error:
            raise TrainingError(str(error)) from error
        if not self.holdout.validation.nnz:
            raise TrainingError(
                "no user has interactions to validate with; raise data.holdout.validation_users, or take more users"
            )
        train = self.holdout.train
        self.popularity: NDArray[np.float32] = np.asarray(train.sum(axis=0), np.float32).ravel()  # [items]
        self.books: list[Book] = book_records(self.data.books)
        active = np.diff(train.indptr) > 0  # [users]
        people = self.users(train)
        self.features: TowersConfig = fit_features(self.config, self.books, people, self.popularity > 0, active)
        self.user_features = FieldFeatures(self.features.encoders["user"])
        self.item_features = FieldFeatures(self.features.encoders["item"])
        self.item_rows: list[FeatureRow] = self.item_features.encode(self.books)
        self.rows_of_items = np.array([row.arrays[ITEM][0] for row in self.item_rows])  # [items], of the id tables
        self.train_rows: list[FeatureRow] = self.user_features.encode(people)
        self.sampler = Sampler(train, self.rows_of_items, self.config.objective, self.config.reads.history)

    def fingerprint(self) -> Fingerprint:
        """Describe the prepared data."""
        parts = {"train": self.holdout.train, "validation": self.holdout.validation, "test": self.holdout.test}
        rows = {name: int(part.nnz) for name, part in parts.items()}
        return Fingerprint(description=self.data.description, sha256=self.data.fingerprint, rows=rows)

    @property
    def rows(self) -> int:
        """Users with something to predict and something to predict it from."""
        return len(self.sampler.users)

    def module(self) -> TwoTower:
        """Build both towers."""
        shape, reads = self.config.towers, self.config.reads
        sizes = Sizes(_table_rows(self.user_features), _table_rows(self.item_features), unknown=self._unknown)
        count = np.zeros(sizes.item[ITEM], np.float32)  # [rows of items]
        known = self.rows_of_items > self._unknown
        count[self.rows_of_items[known]] = self.popularity[known]
        built = Shape(
            width=shape.width, fusion=shape.fusion, hidden=shape.hidden, dropout=shape.dropout,
            normalised=shape.similarity == "cosine", augmented=self.config.augmented, user_ids=reads.user_ids,
            sparse=self._sparse,
        )  # fmt: skip
        temperature = self.config.objective.temperature
        return TwoTower(sizes, built, self._catalogue(sizes), count, shape.damping, temperature)

    def optimizers(self, module: nn.Module) -> list[Optimizer]:
        """Make AdamW, with decay on tables alone; those of which a step sees few rows get a sparse Adam."""
        rate, decay = self.config.training.learning_rate, self.config.training.weight_decay
        bags = [bag for bag in module.modules() if isinstance(bag, FieldBag)]
        sparse = [bag.weight for bag in bags if bag.sparse]
        tables = [bag.weight for bag in bags if not bag.sparse]
        known = {id(table) for table in (*sparse, *tables)}
        others = [parameter for parameter in module.parameters() if id(parameter) not in known]
        groups = [{"params": tables, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        adam = AdamW([group for group in groups if group["params"]], lr=rate, betas=(0.9, 0.99))
        return [adam, SparseAdam(sparse, lr=rate)] if sparse else [adam]

    def batch(self, rows: Tensor, generator: torch.Generator) -> UserBatch:
        """Divide users' training items into histories and positives, and draw what these compete with."""
        batch = self.sampler.draw(rows.numpy(), generator)
        own = self.user_features.collate([self.train_rows[user] for user in self.sampler.users[rows.numpy()]]).inputs
        others = {name: torch.from_numpy(ids) for name, ids in own.items() if name != HISTORY}
        return {**batch, "users": {HISTORY: batch["history"], **others}}

    def objective(self, module: nn.Module, batch: Any) -> Objective:
        """Return the softmax loss, and what DAT adds to it."""
        settings, towers = self.config.objective, _unwrapped(module)
        found = module(batch["users"], batch["candidates"], batch["forgotten"])
        targets = batch["targets"]  # [batch, positives], places among the candidates
        if batch["candidates"] is None:
            loss = self._among_all(towers, found, batch)
        else:
            scores = towers.logits(found)  # [batch, candidates]
            loss = SampledSoftmaxLoss()(scores, batch["log_q"], targets, batch["hidden"], batch["weights"])
        if not towers.shape.augmented:
            return Objective(loss, {"softmax": loss.detach()})
        row, at = (targets >= 0).nonzero(as_tuple=True)  # [pairs] each
        place = targets[row, at]  # [pairs]
        mimic = AdaptiveMimicLoss()
        of_users = mimic(found.user_augmented[row], found.items[place])
        of_items = mimic(found.item_augmented[place], found.users[row])
        there = place.unique()  # [positive items of the batch]
        aligned = CategoryAlignmentLoss()(found.items[there], self._categories_of(batch["candidates"], there))
        total = loss + settings.mimic * (of_users + of_items) + settings.alignment * aligned
        parts = {"softmax": loss, "user_mimic": of_users, "item_mimic": of_items, "alignment": aligned}
        return Objective(total, {name: part.detach() for name, part in parts.items()})

    def validate(self, module: nn.Module, fabric: Fabric) -> dict[str, float]:
        """Rank the whole catalogue for the users of whom training items were kept aside."""
        users = np.flatnonzero(np.diff(self.holdout.validation.indptr))
        top = self.top(_unwrapped(module), users, self.holdout.train, fabric, k=20)
        figures = per_user(top, self.holdout.validation[users], cutoffs=(20,))
        return {name: float(figures[name].mean()) for name in VALIDATED}

    def top(
        self, module: TwoTower, users: NDArray[np.int64], histories: csr_matrix, fabric: Fabric, k: int = 100
    ) -> Ranked:
        """Return each user's k best items, [users, k], without those in the user's history [all users, items]."""
        items = self.item_vectors(module, fabric)  # [items, width]
        vectors = self.user_vectors(module, self.users(histories, users), fabric)  # [users, width]
        place = {user: at for at, user in enumerate(users.tolist())}

        def scores_of(chunk: NDArray[np.int64]) -> Array:
            scores: Array = vectors[[place[user] for user in chunk.tolist()]] @ items.T  # [chunk, items]
            return scores

        return top_k(scores_of, users, histories, k)

    def users(self, histories: csr_matrix, rows: NDArray[np.int64] | None = None) -> list[User]:
        """Return the records of some users, or of all, with what stands in the rows of `histories` [users, items]."""
        people = self.data.people if rows is None else self.data.people[rows]
        return user_records(people, self.data.item_ids, histories if rows is None else histories[rows])

    def item_vectors(self, module: TwoTower, fabric: Fabric) -> Array:
        """Return the vectors of all items, [items, width], those that training never saw by their content."""
        return self._vectors(module.item_encoder(), self.item_features, self.item_rows, fabric)

    def user_vectors(self, module: TwoTower, users: Sequence[User], fabric: Fabric) -> Array:
        """Return the vectors of users, [users, width]."""
        return self._vectors(module.user_encoder(), self.user_features, self.user_features.encode(users), fabric)

    def _vectors(self, encoder: Encoder, features: FieldFeatures, rows: Sequence[FeatureRow], fabric: Fabric) -> Array:
        """Encode in order of length: what a micro-batch is padded to hardly differs then."""
        order = np.argsort([len(row) for row in rows], kind="stable")
        device = fabric.to_device(encoder)

        def collate(places: Tensor) -> list[Tensor]:
            feed = features.collate([rows[at] for at in places.tolist()])
            return [torch.from_numpy(feed.inputs[name]) for name in encoder.names]

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

    def _among_all(self, towers: TwoTower, found: Vectors, batch: Any) -> Tensor:
        """Return the loss where all rows of items are candidates, but a user's own history and rows of no item."""
        half = self.config.training.precision == "bf16-mixed"
        loss = FullSoftmaxLoss(torch.bfloat16 if half else torch.float32)
        users = found.users / towers.log_temperature.exp()  # [batch, width]
        nobodys = torch.arange(len(found.biases), device=users.device) <= self._unknown  # [rows of items]
        biases = found.biases.masked_fill(nobodys, MASKED)  # [rows of items]
        result: Tensor = loss(users, found.items, biases, batch["targets"], batch["history"], batch["weights"])
        return result

    def _categories_of(self, candidates: Tensor | None, places: Tensor) -> Tensor:
        rows = places if candidates is None else candidates[places]
        return self._categories.to(rows.device)[rows]

    @cached_property
    def _categories(self) -> Tensor:
        """Return the category of each row of items, int64 [rows of items]; -1 where there is none."""
        name = self.config.objective.category
        found = np.full(self.item_features.config.fields[0].vocabulary.rows, -1)
        for row, place in zip(self.item_rows, self.rows_of_items, strict=True):
            if place > self._unknown and name in row.arrays and len(row.arrays[name]):
                found[place] = row.arrays[name][0]
        return torch.from_numpy(found)

    def _catalogue(self, sizes: Sizes) -> dict[str, NDArray[np.int64]]:
        """Return the content of each row of items: ids int64 [rows of items, length] by field."""
        feed = self.item_features.collate(self.item_rows).inputs
        known = self.rows_of_items > self._unknown  # [items]
        catalogue = {}
        for name in feed.keys() - {ITEM}:
            ids = np.zeros((sizes.item[ITEM], feed[name].shape[1]), np.int64)
            ids[self.rows_of_items[known]] = feed[name][known]
            catalogue[name] = ids
        return catalogue

    @property
    def _unknown(self) -> int:
        return self.item_features.config.fields[0].vocabulary.oov

    @property
    def _sparse(self) -> bool:
        return self.config.objective.negatives.kind != "all"


def _table_rows(features: FieldFeatures) -> Mapping[str, int]:
    return {field.name: field.vocabulary.rows for field in features.config.fields}


def _unwrapped(module: nn.Module) -> TwoTower:
    inner = getattr(module, "module", module)
    assert isinstance(inner, TwoTower)
    return inner
