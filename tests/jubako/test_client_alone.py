"""The package where only the client's dependencies are installed."""

import subprocess
import sys
from pathlib import Path

import pytest

BARRING = """
import sys
from importlib.abc import MetaPathFinder

class Bar(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BARRED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Bar())
"""
SERVER = (
    "bentoml", "faiss", "grpc_health", "grpc_reflection", "grpc_status", "onnxruntime", "orjson", "prometheus_client",
    "pydantic", "rich", "starlette", "tokenizers", "typer", "uvicorn", "uvloop", "yaml", "zstandard",
    "bundle", "configs", "export", "features", "models", "serving", "training", "torch",
)  # fmt: skip


def python(repository: Path, barred: tuple[str, ...], script: str) -> subprocess.CompletedProcess[str]:
    """Run a script where nothing that is barred can be imported."""
    code = f"BARRED = {barred!r}\n{BARRING}\n{script}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=repository)


def test_the_clients_need_nothing_of_the_server_s(repository: Path) -> None:
    script = """
import asyncio
from jubako import AsyncClient, Client, ServerUnreachable

for url in ("http://127.0.0.1:9", "grpc://127.0.0.1:9"):
    with Client(url, retries=0) as client:
        try:
            client.recommend({"history": ["1"]})
        except ServerUnreachable:
            pass
    asyncio.run(AsyncClient(url).close())
"""
    done = python(repository, SERVER, script)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("url", "absent"), [("http://localhost", ("grpc", "google")), ("grpc://localhost", ("httpx",))]
)
def test_a_client_needs_only_its_own_transport(repository: Path, url: str, absent: tuple[str, ...]) -> None:
    script = f"import jubako\nwith jubako.Client({url!r}): pass\nassert not set({absent!r}) & set(sys.modules)"
    done = python(repository, (*SERVER, *absent), script)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("barred", "arguments", "told"),
    [
        (SERVER, ["--help"], "typer is not installed; pip install 'jubako[cpu]'"),
        (("torch",), ["train", "papers", "--dev"], "torch is not installed; pip install 'jubako[cpu,train]'"),
        (("bentoml",), ["models", "list"], "bentoml is not installed; pip install 'jubako[cpu]'"),
    ],
)
def test_the_command_tells_what_to_install_in_one_line(
    repository: Path, tmp_path: Path, barred: tuple[str, ...], arguments: list[str], told: str
) -> None:
    script = f"import os; os.environ['JUBAKO_RUNS_DIR'] = {str(tmp_path)!r}\nsys.argv[1:] = {arguments!r}\n"
    done = python(repository, barred, f"{script}from jubako.__main__ import main\nmain()")
    assert (done.returncode, done.stderr) == (1, f"jubako: {told}\n")
