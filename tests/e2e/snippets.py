"""The blocks of code in README and docs/, run as they stand there but for the ports."""

import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.server import Server

ROOT = Path(__file__).parents[2]
SHELLS = ("sh", "bash")


def blocks(page: Path, *languages: str) -> list[str]:
    """Return the blocks of a page in these languages, in order."""
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def curl_blocks(page: Path) -> list[str]:
    """Return the shell blocks of a page that begin with curl."""
    return [block for block in blocks(page, *SHELLS) if block.startswith("curl")]


def links(page: Path) -> list[str]:
    """Return where the links of a page lead, without anchors; those within the page and to other sites are left out."""
    return [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()) if not link.startswith("http")]


def at(server: Server, text: str) -> str:
    """Return a text with the addresses of a test's server."""
    http, grpc = f"127.0.0.1:{server.port}", server.grpc_address
    return text.replace("localhost:3000", http).replace("localhost:3001", grpc)


def run_python(server: Server, snippets: list[str]) -> str:
    """Run snippets one after another in one process, and return what they print."""
    script = at(server, "\n".join(snippets))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_shell(server: Server, block: str) -> str:
    """Run a block in bash, where curl fails when the answer is an error, and return what it prints."""
    script = f'set -euo pipefail\ncurl() {{ command curl --fail-with-body "$@"; }}\n{at(server, block)}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
