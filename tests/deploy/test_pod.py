"""The chart's pod, as it is rendered, under `podman kube play`."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from deploy.checks.chart import Manifest, render
from deploy.checks.tools import CheckError
from tests.deploy.containers import image, wait_until_ready
from tests.e2e.server import free_port

pytestmark = pytest.mark.container
PODMAN = shutil.which("podman")
REPLICA = "jubako-pod-0"


def rendered(port: int, store: Path) -> Manifest:
    """Return the chart's Deployment for one pod of this machine's network, with bundles from a folder."""
    name, tag = image().removeprefix("localhost/").rsplit(":", 1)
    values = {
        "replicas": 1,
        "image": {"repository": f"localhost/{name}", "tag": tag},
        "access": {"required": "never"},
        "models": ["tiny"],
        "env": {
            "BENTOML_HOST": "127.0.0.1", "BENTOML_PORT": str(port), "JUBAKO_GRPC_PORT": str(free_port()),
            "JUBAKO_GRPC__HOST": "127.0.0.1", "JUBAKO_STORE": "/store",
        },
        "extraVolumes": [{"name": "store", "hostPath": {"path": str(store), "type": "Directory"}}],
        "extraVolumeMounts": [{"name": "store", "mountPath": "/store", "readOnly": True}],
    }  # fmt: skip
    file = store.parent / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    try:
        return next(each for each in render("-f", str(file)) if each["kind"] == "Deployment")
    except CheckError as error:
        pytest.skip(str(error))


def play(*arguments: str) -> None:
    done = subprocess.run([str(PODMAN), "play", "kube", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def url(model_store: Path, tmp_path: Path) -> Iterator[str]:
    if PODMAN is None:
        pytest.skip("podman is not installed; deploy/image/sandbox.sh brings it")
    port = free_port()
    manifest = tmp_path / "deployment.yaml"
    manifest.write_text(yaml.safe_dump(rendered(port, model_store)))
    play("--network", "host", str(manifest))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        play("--down", str(manifest))


def test_the_deployment_runs_as_the_chart_renders_it(url: str) -> None:
    wait_until_ready(url, f"{REPLICA}-jubako")
    assert httpx.post(f"{url}/embed", json={"inputs": ["a box", "a tray"]}).status_code == 200
