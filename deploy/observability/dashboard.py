"""Make `dashboard.json` from `panels.py`, or check it: `python -m deploy.observability.dashboard [--check]`."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deploy.observability.panels import ON, ROWS, Panel, Query

FILE = Path(__file__).parent / "dashboard.json"
COLUMNS, HEIGHT = 24, 8
PER_LINE = 4
SOURCE = {"type": "prometheus", "uid": "${source}"}
Json = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or say that it is not current."""
    parser = argparse.ArgumentParser(prog="python -m deploy.observability.dashboard", description="Make the dashboard.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not current")
    text = render()
    if not parser.parse_args(arguments).check:
        FILE.write_text(text)
    elif not FILE.exists() or FILE.read_text() != text:
        print(f"{FILE.name} is not current; run `make dashboard`")
        return 1
    return 0


def render() -> str:
    """Return the text of the file."""
    dashboard = {
        "uid": "jubako",
        "title": "Jubako",
        "description": "What a fleet of Jubako servers does; docs/metrics.md tells what each metric means.",
        "tags": ["jubako"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source(), *_variables()]},
        "panels": list(_panels()),
    }
    return json.dumps(dashboard, indent=1) + "\n"


def _panels() -> Iterator[Json]:
    number, top = 1, 0
    for row in ROWS:
        yield {"id": number, "type": "row", "title": row.title, "gridPos": _place(0, top, COLUMNS, 1), "panels": []}
        number, top = number + 1, top + 1
        width = COLUMNS // min(PER_LINE, len(row.panels))
        for at, panel in enumerate(row.panels):
            place = _place(at % PER_LINE * width, top + at // PER_LINE * HEIGHT, width, HEIGHT)
            yield {"id": number, "gridPos": place, **_panel(panel)}
            number += 1
        top += -(-len(row.panels) // PER_LINE) * HEIGHT


def _panel(panel: Panel) -> Json:
    table = panel.kind == "table"
    drawn: Json = {} if table else {"custom": {"fillOpacity": 10, "showPoints": "never"}}
    hidden = {"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}
    return {
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, **drawn}, "overrides": []},
        "options": {} if table else {"tooltip": {"mode": "multi"}, "legend": {"displayMode": "list"}},
        "targets": [_target(at, query, table) for at, query in enumerate(panel.queries)],
        **({"transformations": [hidden]} if table else {}),
    }


def _target(at: int, query: Query, table: bool) -> Json:
    target: Json = {"refId": "ABCDEF"[at], "datasource": SOURCE, "expr": query.expression, "legendFormat": query.legend}
    return {**target, "instant": True, "format": "table"} if table else target


def _source() -> Json:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _variables() -> Iterator[Json]:
    wheres = {"job": "", "instance": 'job=~"$job"', "model": ON}
    for name, where in wheres.items():
        yield {
            "name": name,
            "type": "query",
            "datasource": SOURCE,
            "query": f"label_values(jubako_model_info{{{where}}}, {name})",
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }


def _place(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": left, "y": top, "w": width, "h": height}


if __name__ == "__main__":
    sys.exit(main())
