"""A recommender that is being served: the way of a person, or of anchors, to the items that answer."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import monotonic

import numpy as np

from bundle.catalogue import Catalogue
from bundle.histories import Histories
from bundle.manifest import Manifest, Role
from features.people import User
from serving.errors import Code, JubakoError
from serving.index.diversity import mmr
from serving.index.rows import Positions
from serving.index.search import Found, Search
from serving.model import Placement, Result
from serving.recommender.answers import Asked, Item, Recommended, Spent, Strategy
from serving.recommender.asking import read_ids, read_user
from serving.recommender.basis import Bases, Basis
from serving.recommender.explaining import Explainer
from serving.recommender.filters import read_filters
from serving.recommender.item_vectors import ItemVectors
from serving.recommender.popularity import Popularity
from serving.recommender.tower import Tower
from serving.settings import Limits

FETCHED_PER_ITEM = 5
"""Candidates for each item of a diverse answer."""
LEAST_FETCHED = 100
"""Candidates of a diverse answer, however short it is."""
LIGHT_ITEMS = 64
"""Items that are diversified and explained on the event loop; more take some milliseconds."""


class RecommenderModel:
    """Encodes who asks, searches the catalogue, and tells what was found."""

    def __init__(
        self,
        manifest: Manifest,
        placement: Placement,
        towers: Mapping[Role, Tower],
        catalogue: Catalogue,
        histories: Histories | None,
        search: Search,
        limits: Limits,
    ) -> None:
        """Take the parts. Of the towers the one of items is always there.

        Without one of users, a person is the mean of what they have read.
        """
        self.manifest = manifest
        self.placement = placement
        self.catalogue = catalogue
        self.attributes = towers[Role.USER].attributes if Role.USER in towers else ()
        """Names of what is read of a person beside id and history."""
        self._towers = towers
        self._search = search
        self._limits = limits
        self._bases = Bases(towers, catalogue, histories, cosine=manifest.similarity == "cosine")
        self._popularity = Popularity(catalogue)
        self._vectors = ItemVectors(towers, catalogue, self._bases)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="tell")

    @property
    def last_success_age_s(self) -> float:
        """Seconds since every encoder and the search have computed something."""
        ages = [tower.last_success_age_s for tower in self._towers.values()]
        return max(*ages, monotonic() - self._search.backend.last_success)

    @property
    def fullness(self) -> float:
        """How much of its bound the fullest queue holds."""
        towers = max(tower.fullness for tower in self._towers.values())
        return max(towers, self._search.backend.fullness)

    async def recommend(self, asked: Asked, *, deadline: float) -> Recommended:
        """Answer a request; `deadline` is a time of `time.monotonic`.

        Raises:
            JubakoError: `invalid_value` or `too_large` naming the part at fault, `unknown_item`, `overloaded`,
                `deadline`.
        """
        self._check(asked)
        allowed = read_filters(asked.filters).allowed(self.catalogue)
        excluded = self._known(read_ids(asked.exclude, "exclude", self._limits.max_history))
        basis = await self._basis(asked, deadline)
        if asked.exclude_seen or basis.strategy is Strategy.ITEMS:
            excluded = np.concatenate([excluded, basis.own]) if len(excluded) else basis.own
        depth = max(FETCHED_PER_ITEM * asked.k, LEAST_FETCHED) if asked.diversity else asked.k
        found = await self._find(basis, depth, excluded, allowed, deadline)
        items = await self._tell(asked, basis, found, deadline)
        spent = basis.spent + Spent(0, 0.0, found.queue_s, found.compute_s)
        return Recommended(items, basis.strategy, basis.cold_start, basis.unknown, spent)

    async def embed(
        self, inputs: Sequence[object], *, deadline: float, prompt: str | None = None, truncate: bool = True
    ) -> Result:
        """Return the vectors of items, by id or by record, and of people, as {"user": {...}}.

        Raises:
            JubakoError: `overloaded`, `deadline`, or `invalid_value` for a prompt.
        """
        if prompt is not None:
            raise JubakoError(Code.INVALID_VALUE, "this model has no prompts; leave prompt out", param="prompt")
        return await self._vectors.embed(inputs, self.read_user, deadline=deadline, truncate=truncate)

    async def check(self, timeout_s: float) -> None:
        """Send one real inference through every encoder and the search.

        Raises:
            JubakoError: one failed or did not come back in time.
        """
        deadline = monotonic() + timeout_s
        for tower in self._towers.values():
            await tower.check(deadline - monotonic())
        if len(self.catalogue):
            await self._search.top(self.catalogue.vectors[0], 1, deadline=deadline)

    def close(self) -> None:
        """Let running work end and stop the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for tower in self._towers.values():
            tower.close()
        self._search.close()

    def read_user(self, value: object, param: str = "user") -> User:
        """Return the person that a caller asks for.

        Raises:
            JubakoError: see `serving.recommender.asking.read_user`.
        """
        return read_user(value, self.attributes, self._limits.max_history, param)

    def _check(self, asked: Asked) -> None:
        if not 1 <= asked.k <= self._limits.max_k:
            raise JubakoError(Code.INVALID_VALUE, f"k must be between 1 and {self._limits.max_k}", param="k")
        given = [name for name in ("user", "items", "record") if getattr(asked, name) is not None]
        if len(given) > 1:
            message = f"{' and '.join(given)} are given; send one of user, items and record, or none of them"
            raise JubakoError(Code.INVALID_VALUE, message, param=given[1])
        if asked.items is not None and not asked.items:
            raise JubakoError(Code.INVALID_VALUE, "items is empty; send at least one, or leave it out", param="items")
        if asked.items is not None and len(asked.items) > self._limits.max_inputs:
            message = f"{len(asked.items)} items in one request, the limit is {self._limits.max_inputs}; send fewer"
            raise JubakoError(Code.TOO_LARGE, message, param="items")

    def _known(self, ids: Sequence[str]) -> Positions:
        positions = map(self.catalogue.position_of, ids)
        return np.array([position for position in positions if position is not None], dtype=np.int64)

    async def _basis(self, asked: Asked, deadline: float) -> Basis:
        if asked.user is not None:
            return await self._bases.of_person(self._bases.person(self.read_user(asked.user)), deadline)
        if asked.items is not None:
            params = [f"items.{place}" for place in range(len(asked.items))]
            return await self._bases.of_anchors(asked.items, params, deadline)
        if asked.record is not None:
            return await self._bases.of_anchors([asked.record], ["record"], deadline)
        return Basis(Strategy.POPULARITY, cold_start=True)

    async def _find(
        self, basis: Basis, depth: int, excluded: Positions, allowed: Positions | None, deadline: float
    ) -> Found:
        if basis.query is None:
            return self._popularity.top(depth, excluded, allowed)
        return await self._search.top(basis.query, depth, excluded=excluded, allowed=allowed, deadline=deadline)

    async def _tell(self, asked: Asked, basis: Basis, found: Found, deadline: float) -> list[Item]:
        """Choose among what was found, look up and explain, before the deadline."""
        work = asked.k if asked.diversity or asked.explain else 0
        if work <= LIGHT_ITEMS:
            items = self._told(asked, basis, found)
        else:
            loop = asyncio.get_running_loop()
            items = await loop.run_in_executor(self._threads, self._told, asked, basis, found)
        if monotonic() >= deadline:
            raise JubakoError(Code.DEADLINE, "the deadline passed before the answer was ready")
        return items

    def _told(self, asked: Asked, basis: Basis, found: Found) -> list[Item]:
        positions, scores = found.positions, found.scores
        if asked.diversity and len(positions):
            chosen = mmr(self.catalogue.vectors[positions], scores, asked.k, asked.diversity)
            positions, scores = positions[chosen], scores[chosen]
        ids, title_of = self.catalogue.ids, self.catalogue.title_of
        items = [Item(ids[at], score, title_of(at)) for at, score in zip(positions.tolist(), scores, strict=True)]
        if not asked.explain:
            return items
        explainer = Explainer(self.catalogue, self._popularity.shares, basis.grounds, basis.query)
        reasons = explainer.explain(positions, scores)
        return [replace(item, reasons=why) for item, why in zip(items, reasons, strict=True)]
