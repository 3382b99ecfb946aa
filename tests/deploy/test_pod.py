"""The chart's pod, as it is rendered, under `podman play kube`: in a network of its own, asked from inside."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy.checks.chart import Manifest, render
from deploy.checks.tools import CheckError
from tests.deploy.containers import START_S, image

pytestmark = pytest.mark.container
PODMAN = shutil.which("podman")
CONTAINER = "jubako-pod-0-jubako"
EMBED = """
from urllib.request import Request, urlopen
body = b'{"inputs": ["a box", "a tray"]}'
print(urlopen(Request("http://127.0.0.1:3000/embed", body, {"content-type": "application/json"})).read().decode())
"""


def podman(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(PODMAN), *arguments], capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def rendered(store: Path, values: Path) -> Manifest:
    """Return the chart's Deployment, of one pod that needs no keys and has its bundles in a folder of this machine."""
    name, tag = image().removeprefix("localhost/").rsplit(":", 1)
    given = {
        "replicas": 1,
        "image": {"repository": f"localhost/{name}", "tag": tag},
        "access": {"required": "never"},
        "models": ["tiny"],
        "env": {"JUBAKO_STORE": "/store"},
        "extraVolumes": [{"name": "bundles", "hostPath": {"path": str(store), "type": "Directory"}}],
        "extraVolumeMounts": [{"name": "bundles", "mountPath": "/store", "readOnly": True}],
    }
    values.write_text(yaml.safe_dump(given))
    try:
        return next(each for each in render("-f", str(values)) if each["kind"] == "Deployment")
    except CheckError as error:
        pytest.skip(str(error))


@pytest.fixture
def pod(model_store: Path, tmp_path: Path) -> Iterator[str]:
    """Play the Deployment and give the name of its container."""
    if PODMAN is None:
        pytest.skip("podman is not installed; deploy/image/sandbox.sh brings it")
    manifest = tmp_path / "deployment.yaml"
    manifest.write_text(yaml.safe_dump(rendered(model_store, tmp_path / "values.yaml")))
    podman("play", "kube", str(manifest))
    try:
        yield CONTAINER
    finally:
        podman("play", "kube", "--down", str(manifest))


def test_the_deployment_runs_as_the_chart_renders_it(pod: str) -> None:
    give_up = time.monotonic() + START_S
    while podman("exec", pod, "python", "-S", "/app/healthcheck.py", check=False).returncode:
        assert time.monotonic() < give_up, podman("logs", pod).stderr
        time.sleep(0.2)
    answer = json.loads(podman("exec", pod, "python", "-S", "-c", EMBED).stdout)
    assert [len(item["embedding"]) for item in answer["data"]] == [32, 32]
    told = json.loads(podman("inspect", pod).stdout)[0]
    assert told["HostConfig"]["ReadonlyRootfs"] is True
    assert not told["EffectiveCaps"]
