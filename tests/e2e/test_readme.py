"""The README's own commands, run as they stand there but for the port."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bundle.store import save
from tests.e2e.server import Server, running
from tests.tiny import build_tiny_bundle
from tests.tiny_classifier import build_tiny_classifier
from tests.trained import Home
from tests.trained_recommenders import export_books

if TYPE_CHECKING:
    from training.trained_two_tower import TrainedTwoTower

README = (Path(__file__).parents[2] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


CURLS = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("curl")]


@pytest.fixture(scope="module")
def text_server(
    repository: Path, home: Home, trained_books: "TrainedTwoTower", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with default settings: its models are called as in the README and have its dimensions."""
    save(build_tiny_bundle(tmp_path_factory.mktemp("text"), name="text", dimensions=384))
    save(build_tiny_classifier(tmp_path_factory.mktemp("genres"), name="genres"))
    export_books(home, trained_books, tmp_path_factory.mktemp("books"), "books")
    with running(repository, tmp_path_factory.mktemp("log") / "server.log") as server:
        yield server


def test_the_readme_shows_nine_requests() -> None:
    assert len(CURLS) == 9


@pytest.mark.parametrize("line", CURLS)
def test_a_curl_line_is_answered(text_server: Server, line: str) -> None:
    command = shlex.split(line.replace("localhost:3000", f"127.0.0.1:{text_server.port}"))
    done = subprocess.run([*command, "--fail-with-body"], capture_output=True, text=True, check=True)
    if command[2].endswith("/metrics"):
        assert "jubako_tokens_total" in done.stdout
    else:
        assert "error" not in json.loads(done.stdout)


def test_the_python_snippet_runs(text_server: Server, repository: Path) -> None:
    [snippet] = blocks("python")
    snippet = snippet.replace("http://localhost:3000", text_server.url)
    done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, cwd=repository)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("[") == 6


def test_every_command_of_the_readme_exists(repository: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (repository / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)`?", README)) - {"is"} <= targets
    for words in re.findall(r"^jubako ([a-z]+ [a-z]+)", README, flags=re.MULTILINE):
        help_text = subprocess.run(
            [sys.executable, "-m", "jubako", *words.split(), "--help"], capture_output=True, text=True, cwd=repository
        )
        assert help_text.returncode == 0, words


def test_every_link_of_the_readme_leads_somewhere(repository: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("http") or (repository / link).exists(), link
