import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

NOT_SERVED = {
    "torch",
    "transformers",
    "optimum",
    "lightning-fabric",
    "onnx",
    "scikit-learn",
    "polars",
    "scipy",
    "triton",
}
BLANKS = ("huggingface-hub",)
"""What packages ask for and a server does without; requirements/lock.sh leaves it out."""


def pins(path: Path) -> dict[str, str]:
    """Return the versions of a file of requirements or constraints, by normal names."""
    return {
        _normal(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE)
    }


def closure(names: set[str], besides: set[str]) -> set[str]:
    """Return what `names` need, as far as it is installed here, themselves included; `besides` is not looked into."""
    found: set[str] = set()
    ahead = [(name, "") for name in names]
    while ahead:
        name, extra = ahead.pop()
        found.add(name)
        if name in besides:
            continue
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                needed = _normal(requirement.name)
                ahead += [(needed, each) for each in requirement.extras or [""] if needed not in found]
    return found


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


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_the_locks_hold_all_that_a_server_depends_on(repository: Path, project: dict[str, Any], variant: str) -> None:
    needed = wanted(project, [*project["dependencies"], f"jubako[{variant}]"])
    locked = pins(repository / "requirements" / f"{variant}.lock").keys()
    assert closure(needed, besides={"onnxruntime-gpu", *BLANKS}) - set(BLANKS) <= locked, "run `make lock`"


@pytest.mark.parametrize("lock", ["cpu", "gpu", "tools"])
def test_the_locks_hold_the_pinned_versions_with_their_hashes(repository: Path, lock: str) -> None:
    path = repository / "requirements" / f"{lock}.lock"
    constraints = pins(repository / "constraints.txt")
    assert pins(path).items() <= constraints.items(), "run `make lock`"
    blocks = re.split(r"^(?=[\w.-]+==)", path.read_text(), flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("variant", ["cpu", "gpu"])
def test_no_serving_image_installs_what_trains_or_compiles(repository: Path, variant: str) -> None:
    assert not pins(repository / "requirements" / f"{variant}.lock").keys() & NOT_SERVED


def test_the_gpu_image_brings_the_cuda_that_its_runtime_is_linked_against(repository: Path) -> None:
    locked = pins(repository / "requirements" / "gpu.lock")
    cuda = {name: int(locked[name].split(".")[0]) for name in ("nvidia-cublas", "nvidia-cuda-runtime")}
    assert cuda == {"nvidia-cublas": 13, "nvidia-cuda-runtime": 13}
    assert locked["nvidia-cudnn-cu13"].startswith("9.")
    assert "onnxruntime" not in locked


def test_without_extras_the_client_is_installed_and_no_more(project: dict[str, Any]) -> None:
    assert wanted(project, project["dependencies"]) == {
        "googleapis-common-protos", "grpcio", "httpx", "numpy", "protobuf",
    }  # fmt: skip


@pytest.mark.parametrize("extra", ["cpu", "gpu", "train"])
def test_every_extra_that_runs_the_command_brings_what_it_needs(project: dict[str, Any], extra: str) -> None:
    assert {"typer", "rich", "pydantic", "bentoml"} <= wanted(project, [f"jubako[{extra}]"])


def test_every_pin_agrees_with_the_constraints(repository: Path) -> None:
    constraints = pins(repository / "constraints.txt")
    assert constraints["onnxruntime"] == constraints["onnxruntime-gpu"]


def test_every_direct_dependency_is_pinned(repository: Path, project: dict[str, Any]) -> None:
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    assert wanted(project, [*project["dependencies"], *extras]) <= pins(repository / "constraints.txt").keys()


def test_the_bento_holds_every_room_that_serving_needs_and_no_other(repository: Path) -> None:
    included = yaml.safe_load((repository / "bentofile.yaml").read_text())["include"]
    rooms = {pattern.split("/")[0] for pattern in included}
    assert rooms == {"service.py", "bundle", "features", "serving", "wire", "deploy", "requirements"}
