"""One export of a tiny encoder, shared by the tests that look at its parts."""

from pathlib import Path

import pytest

from bundle.bundle import Bundle
from bundle.manifest import Tolerances
from export.config import TextExportConfig
from export.text import build_bundle
from tests.encoders import write_encoder

PROMPTS = {"query": "find: "}


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint unlike MiniLM: CLS pooling, Dense, no normalisation, prompts, a short limit, lower-casing."""
    root = tmp_path_factory.mktemp("encoders") / "odd-one"
    return write_encoder(root, ["cls_token"], ["Dense"], max_tokens=40, lower_case=True, prompts=PROMPTS)


@pytest.fixture(scope="session")
def config(encoder_folder: Path) -> TextExportConfig:
    """Export settings that finish in seconds.

    Random weights know nothing of the similarity task (a rank correlation near .05), so a share of it that is lost is
    noise: the task's gate is left open here and held to by MiniLM and by the tests of the gate itself.
    """
    return TextExportConfig(
        name="odd-one",
        source=str(encoder_folder),
        matryoshka=[8, 16],
        probe_texts=96,
        calibration_texts=16,
        fp16_probe_texts=16,
        tolerances=Tolerances(metric_drop=1.0),
    )


@pytest.fixture(scope="session")
def exported(config: TextExportConfig, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle of that checkpoint."""
    return build_bundle(config, tmp_path_factory.mktemp("exported"))
