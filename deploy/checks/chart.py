"""The Helm chart: linted, rendered, and every manifest held against its schema."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft7Validator
from kubernetes_validate import utils

from deploy.checks.tools import DEPLOY, CheckError, helm, run

CHART = DEPLOY / "helm" / "jubako"
SCHEMAS = DEPLOY / "helm" / "schemas"
KUBERNETES = ("1.27", "1.37")
"""Oldest and newest version that manifests are valid for."""
GPU = ("-f", str(CHART / "values-gpu.yaml"))
EVERYTHING = ("-f", str(CHART / "ci" / "everything-values.yaml"))

Manifest = dict[str, Any]


def lint(*values: str) -> None:
    """Lint the chart with these values, warnings included.

    Raises:
        CheckError: Helm finds fault with it.
    """
    run(helm(), "lint", "--strict", CHART, *values)


def render(*values: str) -> list[Manifest]:
    """Render the chart with these values.

    Raises:
        CheckError: it cannot be rendered, as with values that its schema does not know.
    """
    return documents(run(helm(), "template", "jubako", CHART, "--namespace", "serving", *values))


def documents(rendered: str) -> list[Manifest]:
    """Return the manifests of what Helm printed."""
    return [manifest for manifest in yaml.safe_load_all(rendered) if manifest]


def validate(manifest: Manifest, version: str) -> None:
    """Hold a manifest against the schema of its kind; fields that the schema does not know are errors.

    Raises:
        CheckError: it is not valid, or there is no schema of its kind.
    """
    name = f"{manifest['kind']}/{manifest['metadata']['name']}"
    own = SCHEMAS / f"{manifest['kind']}.json"
    if own.exists():
        faults = [error.message for error in Draft7Validator(json.loads(own.read_text())).iter_errors(manifest)]
        if faults:
            raise CheckError(f"{name}: {'; '.join(faults)}")
        return
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except (utils.ValidationError, utils.SchemaNotFoundError) as error:
        raise CheckError(f"{name}: {error}") from error


def check_chart() -> str:
    """Lint, render and validate the chart for CPUs and GPUs, plain and with everything on; return what was done.

    Raises:
        CheckError: as the steps.
    """
    count = 0
    for values in ((), GPU, EVERYTHING, (*GPU, *EVERYTHING)):
        lint(*values)
        for manifest in render(*values):
            for version in KUBERNETES:
                validate(manifest, version)
            count += 1
    return f"helm lint and {count} manifests, for Kubernetes {' and '.join(KUBERNETES)}"


def rules_file(path: Path) -> tuple[str, ...]:
    """Return the values that bring alert rules in."""
    return ("--set", "metrics.prometheusRule.enabled=true", "--set-file", f"metrics.prometheusRule.file={path}")
