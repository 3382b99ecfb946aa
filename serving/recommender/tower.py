"""One encoder of a recommender: records of items, or of people, to vectors."""

from collections.abc import Sequence

from bundle.manifest import Manifest
from features.fields import SUBJECTS, FieldFeatures
from features.lenient import type_of
from features.record import Record, RecordError
from serving.model import Model, Placement, Result, as_it_is
from serving.scheduler import Backend

ATTRIBUTES = "attributes."


class Tower(Model):
    """Reads and encodes records and gives their vectors."""

    def __init__(
        self,
        manifest: Manifest,
        placement: Placement,
        features: FieldFeatures,
        backend: Backend,
        encode_threads: int = 1,
        name: str | None = None,
    ) -> None:
        nothing = SUBJECTS[features.config.record]()
        super().__init__(manifest, placement, features, backend, encode_threads, light=True, probe=nothing, name=name)
        self.features = features
        sources = [source for field in features.config.fields for source in field.source]
        self.attributes = tuple(
            dict.fromkeys(source.removeprefix(ATTRIBUTES) for source in sources if source.startswith(ATTRIBUTES))
        )
        """Names of what the encoder reads of a person beside id and history."""
        self._names = [field.vocabulary for field in features.config.fields if "id" in field.source]

    @property
    def longest_input(self) -> str:
        """How much the model reads, for people."""
        return f"{self.features.max_tokens} values in all its fields"

    def knows(self, name: str) -> bool:
        """Return whether a record's id has a vector of its own, learnt in training."""
        return any(vocabulary.is_known(name) for vocabulary in self._names)

    def read(self, value: object) -> Record:
        """Return the record that a caller sent.

        Raises:
            RecordError: it is none, or holds nothing of what the encoder reads.
        """
        if not isinstance(value, dict | Record):
            raise RecordError(None, f"a record is an object, not {type_of(value)}")
        return self.features.read(value)

    async def encode(
        self, records: Sequence[Record], *, deadline: float, truncate: bool = True, params: Sequence[str] | None = None
    ) -> Result:
        """Encode records that have been read; see `run`."""
        return await self.run(records, as_it_is, deadline=deadline, truncate=truncate, params=params)
