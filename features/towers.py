"""The `features.json` of a recommender: what its encoders read and how their vectors are compared."""

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from features.fields import FieldFeatures, FieldsConfig
from features.labels import Strict
from features.pipeline import FEATURES_FILE

Side = Literal["user", "item"]


class TowersConfig(Strict):
    """One encoder for items, and one for users where they are not the same as what they read."""

    similarity: Literal["cosine", "dot"] = "cosine"
    """How a vector of the one and a vector of the other are compared."""
    encoders: dict[Side, FieldsConfig]

    @model_validator(mode="after")
    def _have_their_sides(self) -> Self:
        if "item" not in self.encoders:
            raise ValueError("there is no encoder of items")
        for side, config in self.encoders.items():
            if (side == "user") != (config.record == "user"):
                raise ValueError(f"the encoder of {side}s reads a {config.record}")
        return self

    @classmethod
    def open(cls, root: Path) -> Self:
        """Open the features of the bundle in `root`.

        Raises:
            OSError: the file is missing.
            pydantic.ValidationError: `features.json` does not follow its schema.
        """
        return cls.model_validate_json((root / FEATURES_FILE).read_bytes())

    def write(self, root: Path) -> None:
        """Write `features.json` into the bundle's folder."""
        (root / FEATURES_FILE).write_text(self.model_dump_json(indent=2) + "\n")

    def features(self) -> dict[Side, FieldFeatures]:
        """Return what encodes the records of each side."""
        return {side: FieldFeatures(config) for side, config in self.encoders.items()}
