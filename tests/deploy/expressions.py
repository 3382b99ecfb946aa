"""What of the metrics dashboard, rules and documentation name."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

NAME = re.compile(r"\bjubako[_:][a-z0-9_:]+")
ROW = re.compile(r"^\| `(jubako_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \| (.+) \|$", re.MULTILINE)
ENDINGS = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}


def panels(folder: Path) -> list[dict[str, Any]]:
    """Return the panels of the dashboard, without its rows."""
    dashboard = json.loads((folder / "dashboard.json").read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def rules(folder: Path) -> list[dict[str, Any]]:
    """Return the recording and alert rules."""
    return [rule for group in yaml.safe_load((folder / "rules.yaml").read_text())["groups"] for rule in group["rules"]]


def expressions(folder: Path) -> list[str]:
    """Return all expressions of both."""
    queries = [target["expr"] for panel in panels(folder) for target in panel["targets"]]
    dashboard = json.loads((folder / "dashboard.json").read_text())
    variables = [each["query"] for each in dashboard["templating"]["list"]]
    return [*queries, *variables, *(rule["expr"] for rule in rules(folder))]


def unknown(expressions: Iterable[str], known: Iterable[str]) -> set[str]:
    """Return the metrics that expressions name and that there are not."""
    named = {name for expression in expressions for name in NAME.findall(expression)}
    return named - set(known)


def recorded(folder: Path) -> set[str]:
    """Return the names that recording rules make."""
    return {rule["record"] for rule in rules(folder) if "record" in rule}


def documented(page: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Return type and labels of each metric of the page."""
    return {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, _, _ in ROW.findall(page.read_text())
    }


def series(metrics: dict[str, tuple[str, frozenset[str]]]) -> set[str]:
    """Return the names by which metrics can be queried."""
    return {name + ending for name, (kind, _) in metrics.items() for ending in ENDINGS[kind]}
