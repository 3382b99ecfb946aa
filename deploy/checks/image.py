"""The image: its Dockerfile as BentoML renders it, and the scripts in it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bentoml

from deploy.checks.tools import DEPLOY, beside_python, run

ROOT = DEPLOY.parent


@contextmanager
def dockerfile() -> Iterator[Path]:
    """Build a Bento without models in a store of its own, and give its Dockerfile."""
    with tempfile.TemporaryDirectory(prefix="jubako-bento-") as home:
        environment = {"BENTOML_HOME": home, "JUBAKO_MODELS": "[]", "BENTOML_DO_NOT_TRACK": "True"}
        tag = run("env", *(f"{k}={v}" for k, v in environment.items()), beside_python("python"), "-m", "bentoml",
                  "build", "--output", "tag", ROOT)  # fmt: skip
        name, version = tag.split("__tag__:")[1].strip().split(":")
        yield Path(home) / "bentos" / name / version / "env" / "docker" / "Dockerfile"


def check_image() -> str:
    """Render the Dockerfile of both images and lint it; return what was done.

    Raises:
        CheckError: it cannot be rendered, or hadolint finds fault with it.
    """
    with dockerfile() as path:
        run(beside_python("hadolint"), "--config", DEPLOY / "image" / "hadolint.yaml", path)
    return f"hadolint over the Dockerfile that BentoML {bentoml.__version__} renders"
