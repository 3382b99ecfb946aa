import re
import tomllib
from pathlib import Path

import yaml


def pins(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {_normal(name): version for name, version in (line.split("==") for line in lines)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(lines: list[str]) -> set[str]:
    return {_normal(re.split(r"[ ;<>=\[]", line)[0]) for line in lines}


def test_the_serving_image_installs_what_the_project_depends_on(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    needed = wanted(project["dependencies"]) | wanted(project["optional-dependencies"]["cpu"])
    assert pins(repository / "requirements.txt").keys() == needed


def test_every_pin_agrees_with_the_constraints(repository: Path) -> None:
    constraints = pins(repository / "constraints.txt")
    assert pins(repository / "requirements.txt").items() <= constraints.items()
    assert constraints["onnxruntime"] == constraints["onnxruntime-gpu"]


def test_every_direct_dependency_is_pinned(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    assert wanted([*project["dependencies"], *extras]) <= pins(repository / "constraints.txt").keys()


def test_the_bento_holds_every_room_that_serving_needs_and_no_other(repository: Path) -> None:
    included = yaml.safe_load((repository / "bentofile.yaml").read_text())["include"]
    rooms = {pattern.split("/")[0] for pattern in included}
    assert rooms == {"service.py", "bundle", "features", "serving"}
