import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml


def pins(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {_normal(name): version for name, version in (line.split("==") for line in lines)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(project: dict[str, Any], lines: list[str]) -> set[str]:
    """Return the names of what is listed; an extra of the project's own stands for what it lists."""
    names = set()
    for line in lines:
        own = re.fullmatch(r"jubako\[([a-z,]+)\]", line)
        if own is None:
            names.add(_normal(re.split(r"[ ;<>=\[]", line)[0]))
        else:
            for extra in own[1].split(","):
                names |= wanted(project, project["optional-dependencies"][extra])
    return names


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    return project


def test_the_serving_image_installs_what_a_server_depends_on(repository: Path, project: dict[str, Any]) -> None:
    needed = wanted(project, [*project["dependencies"], "jubako[cpu]"])
    assert pins(repository / "requirements.txt").keys() == needed


def test_without_extras_the_client_is_installed_and_no_more(project: dict[str, Any]) -> None:
    assert wanted(project, project["dependencies"]) == {
        "googleapis-common-protos", "grpcio", "httpx", "numpy", "protobuf",
    }  # fmt: skip


@pytest.mark.parametrize("extra", ["cpu", "gpu", "train"])
def test_every_extra_that_runs_the_command_brings_what_it_needs(project: dict[str, Any], extra: str) -> None:
    assert {"typer", "rich", "pydantic", "bentoml"} <= wanted(project, [f"jubako[{extra}]"])


def test_every_pin_agrees_with_the_constraints(repository: Path) -> None:
    constraints = pins(repository / "constraints.txt")
    assert pins(repository / "requirements.txt").items() <= constraints.items()
    assert constraints["onnxruntime"] == constraints["onnxruntime-gpu"]


def test_every_direct_dependency_is_pinned(repository: Path, project: dict[str, Any]) -> None:
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    assert wanted(project, [*project["dependencies"], *extras]) <= pins(repository / "constraints.txt").keys()


def test_the_bento_holds_every_room_that_serving_needs_and_no_other(repository: Path) -> None:
    included = yaml.safe_load((repository / "bentofile.yaml").read_text())["include"]
    rooms = {pattern.split("/")[0] for pattern in included}
    assert rooms == {"service.py", "bundle", "features", "serving", "wire"}
