"""The README's own commands, run as they stand there but for the port."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.server import Server
from tests.e2e.snippets import ROOT, blocks, curl_blocks, links, run_python, run_shell

PAGE = ROOT / "README.md"
README = PAGE.read_text()
CURLS = [line for block in curl_blocks(PAGE) for line in block.splitlines()]


def test_the_readme_shows_nine_requests() -> None:
    assert len(CURLS) == 9


@pytest.mark.parametrize("line", CURLS)
def test_a_curl_line_is_answered(named_server: Server, line: str) -> None:
    told = run_shell(named_server, line)
    if line.endswith("/metrics"):
        assert "jubako_tokens_total" in told
    else:
        assert "error" not in json.loads(told)


def test_the_python_snippet_runs(named_server: Server) -> None:
    assert run_python(named_server, blocks(PAGE, "python")).count("[") == 6


def test_every_command_of_the_readme_exists(repository: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (repository / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)`?", README)) - {"is"} <= targets
    for words in re.findall(r"^jubako ([a-z]+ [a-z]+)", README, flags=re.MULTILINE):
        help_text = subprocess.run(
            [sys.executable, "-m", "jubako", *words.split(), "--help"], capture_output=True, text=True, cwd=repository
        )
        assert help_text.returncode == 0, words


def test_every_link_of_the_readme_leads_somewhere(repository: Path) -> None:
    for link in links(PAGE):
        assert (repository / link).exists(), link
