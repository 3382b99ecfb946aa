"""The CPU image in a container: read-only, nobody's user, no capabilities; every task over HTTP and gRPC."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bundle.bundle import Bundle
from jubako import Client
from tests.deploy.containers import HARDENED, STOP_S, Container, ask, image, inspected, project_version, serving
from tests.test_packaging import pins
from tests.tiny import CORPUS, embed_directly

pytestmark = pytest.mark.container

MODELS = '["tiny", "tales", "small-books"]'
STORE = "/store"
MAX_BYTES = 600_000_000
MAX_START_S = 10.0
NOT_IN_THE_IMAGE = ("gcc", "cc", "g++", "make", "git", "pip", "pip3", "uv", "curl", "wget")
BUNDLES_BYTES = """
from pathlib import Path
print(sum(path.lstat().st_size for path in Path("/app/bento/models").rglob("*") if path.is_file()))
"""
PACKAGES = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"


@pytest.fixture(scope="module")
def container(model_store: Path) -> Iterator[Container]:
    """The image with three models, mounted where nothing can be written."""
    mount = f"type=bind,source={model_store},target={STORE},readonly"
    with serving("--mount", mount, JUBAKO_STORE=STORE, JUBAKO_MODELS=MODELS) as container:
        yield container


def inside(*command: str) -> str:
    """Run a command in the image and return what it prints."""
    return ask("run", "--rm", "--no-healthcheck", "--network", "none", image(), *command).stdout


def _normal(names: dict[str, str]) -> dict[str, str]:
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in names.items()}


@pytest.fixture(params=["http", "grpc"])
def client(container: Container, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(container.url if request.param == "http" else f"grpc://{container.grpc_address}") as client:
        yield client


def test_it_is_ready_in_time(container: Container) -> None:
    print(f"\nfrom start to ready: {container.ready_s:.1f} s")
    assert container.ready_s <= MAX_START_S


def test_it_embeds(client: Client, tiny: Bundle) -> None:
    np.testing.assert_allclose(client.embed(CORPUS).vectors, embed_directly(tiny.root, CORPUS), atol=1e-6)


def test_it_classifies(client: Client) -> None:
    answer = client.classify({"title": "A sentence", "description": "about a murder"}, model="tales")
    assert len(answer.labels[0]) > 0


def test_it_recommends(client: Client) -> None:
    assert len(client.recommend({"history": []}, model="small-books", k=3).ids) == 3


def test_its_plain_routes_answer(container: Container) -> None:
    assert httpx.post(f"{container.url}/embed", json={"inputs": "a box"}).status_code == 200
    assert 'jubako_tokens_total{model="tiny"' in httpx.get(f"{container.url}/metrics").text
    with grpc.insecure_channel(container.grpc_address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="tiny"))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_it_runs_as_nobody_without_capabilities(container: Container) -> None:
    status = dict(
        line.split(":", 1)
        for line in container.python("print(open('/proc/1/status').read())").splitlines()
        if ":" in line
    )
    assert status["Uid"].split() == ["1034"] * 4
    assert status["Gid"].split() == ["1034"] * 4
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"].strip() == "1"


@pytest.mark.parametrize("path", ["/app/x", "/app/bento/src/x", "/etc/x", STORE + "/x", "/var/x"])
def test_nothing_can_be_written_but_in_tmp(container: Container, path: str) -> None:
    told = container.python(f"try:\n open({path!r}, 'w')\nexcept OSError as error: print(error.errno)")
    assert told.strip() in {"13", "30"}  # no permission, or a read-only file system


def test_its_health_check_is_a_program_of_its_own(container: Container) -> None:
    check = (inspected().get("Config") or {}).get("Healthcheck") or inspected()["Healthcheck"]
    assert check["Test"] == ["CMD", "python", "-S", "/app/healthcheck.py"]
    assert ask("exec", container.name, *check["Test"][1:]).returncode == 0
    elsewhere = ask("exec", "--env", "BENTOML_PORT=9", container.name, *check["Test"][1:], check=False)
    assert elsewhere.returncode == 1


def test_it_holds_what_the_lock_names_and_nothing_else(container: Container, repository: Path) -> None:
    told = ask("exec", container.name, "python", "-c", PACKAGES).stdout
    assert _normal(json.loads(told)) == pins(repository / "requirements" / "cpu.lock")


def test_it_holds_no_compiler_no_installer_and_no_git(container: Container) -> None:
    found = container.python(f"import shutil; print([n for n in {NOT_IN_THE_IMAGE} if shutil.which(n)])")
    assert found.strip() == "[]"


def test_its_list_of_packages_is_complete(container: Container, repository: Path) -> None:
    sbom = json.loads(container.python("print(open('/app/sbom.cdx.json').read())"))
    assert sbom["bomFormat"] == "CycloneDX"
    listed = _normal({part["name"]: part["version"] for part in sbom["components"]})
    assert listed == pins(repository / "requirements" / "cpu.lock")


def test_its_labels_tell_where_it_comes_from() -> None:
    labels = inspected().get("Labels") or inspected()["Config"]["Labels"]
    told = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    assert (told["title"], told["version"], told["licenses"]) == ("jubako-cpu", project_version(), "Apache-2.0")
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", told["revision"])
    assert told["source"]


def test_it_is_small_without_bundles() -> None:
    bundles = int(
        ask("run", "--rm", "--no-healthcheck", "--network", "none", image(), "python", "-S", "-c", BUNDLES_BYTES).stdout
    )
    size = int(inspected()["Size"]) - bundles
    print(f"\nwithout bundles: {size / 1e6:.0f} MB")
    assert size <= MAX_BYTES


def test_a_store_that_is_not_there_is_told_at_once() -> None:
    done = ask("run", "--rm", *HARDENED, "--env", "JUBAKO_STORE=/nowhere", image(), check=False)
    assert done.returncode == 78
    assert "JUBAKO_STORE names /nowhere" in done.stderr


def test_its_own_bundles_are_served_where_no_store_is_mounted() -> None:
    listed = ask(
        "run", "--rm", "--no-healthcheck", "--network", "none", image(), "ls", "/app/bento/models"
    ).stdout.split()
    if not listed:
        pytest.skip("the image was built with BUNDLES=0")
    with serving() as container:
        print(f"\nfrom start to ready with {', '.join(sorted(listed))}: {container.ready_s:.1f} s")
        told = httpx.get(f"{container.url}/models").json()
        assert {model["name"] for model in told["models"]} == set(listed)
        assert container.ready_s <= MAX_START_S


def test_one_image_serves_every_topology(model_store: Path, tiny: Bundle) -> None:
    mount = f"type=bind,source={model_store},target={STORE},readonly"
    split = {"JUBAKO_TOPOLOGY": "split", "JUBAKO_RUNNERS": "2", "JUBAKO_FRONTS": "2"}
    with serving("--mount", mount, JUBAKO_STORE=STORE, JUBAKO_MODELS='["tiny"]', **split) as container:
        with Client(container.url) as client:
            np.testing.assert_allclose(client.embed(CORPUS).vectors, embed_directly(tiny.root, CORPUS), atol=1e-6)
        processes = container.python(
            "import pathlib; print(*(p.read_text() for p in pathlib.Path('/proc').glob('[0-9]*/cmdline')))"
        )
        assert {"jubako_runner_0", "jubako_runner_1"} <= set(re.findall(r"jubako_runner_\d", processes))


def test_it_stops_in_order_when_told_to(model_store: Path) -> None:
    mount = f"type=bind,source={model_store},target={STORE},readonly"
    with serving("--mount", mount, JUBAKO_STORE=STORE, JUBAKO_MODELS='["tiny"]') as container:
        begin = time.monotonic()
        ask("stop", "--time", str(STOP_S), container.name)
        assert time.monotonic() - begin < 10
        assert ask("inspect", "--format", "{{.State.ExitCode}}", container.name).stdout.strip() == "0"
        assert "told to stop" in container.log()
