"""Dashboard, rules and the page of metrics agree; `tests/e2e/test_metrics.py` holds them to a server."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from deploy.observability import dashboard
from tests.deploy.expressions import documented, expressions, panels, recorded, rules, series, unknown


@pytest.fixture(scope="module")
def folder(repository: Path) -> Path:
    return repository / "deploy" / "observability"


@pytest.fixture(scope="module")
def page(repository: Path) -> Path:
    return repository / "docs" / "metrics.md"


def test_the_dashboard_is_current() -> None:
    """`make dashboard` makes it."""
    assert dashboard.main(["--check"]) == 0


def test_a_dashboard_that_is_not_current_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dashboard, "FILE", tmp_path / "dashboard.json")
    assert dashboard.main(["--check"]) == 1
    assert "run `make dashboard`" in capsys.readouterr().out
    assert dashboard.main([]) == 0
    assert dashboard.main(["--check"]) == 0


def test_every_panel_has_a_place_of_its_own(folder: Path) -> None:
    taken = Counter(
        (x, y)
        for panel in panels(folder)
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    )
    assert set(taken.values()) == {1}
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in panels(folder)}) == len(panels(folder))


def test_expressions_name_documented_metrics_alone(folder: Path, page: Path) -> None:
    assert unknown(expressions(folder), series(documented(page)) | recorded(folder)) == set()


def test_a_metric_that_nobody_exports_is_found_out(page: Path, folder: Path) -> None:
    known = series(documented(page)) | recorded(folder)
    assert unknown(["rate(jubako_request_seconds[5m])", "jubako:nothing:rate5m"], known) == {
        "jubako_request_seconds", "jubako:nothing:rate5m"
    }  # fmt: skip


def test_every_documented_metric_is_on_the_dashboard_or_in_a_rule(folder: Path, page: Path) -> None:
    text = " ".join(expressions(folder))
    spared = {"jubako_rows_total", "jubako_process_threads", "jubako_worker_start_time_seconds"}
    assert {name for name in documented(page) if name not in text} == spared


def test_every_alert_has_a_summary_a_severity_and_a_section_to_read(folder: Path, page: Path) -> None:
    sections = {re.sub(r"[^\w -]", "", title).lower() for title in re.findall(r"^#+ (.+)$", page.read_text(), re.M)}
    alerts = [rule for rule in rules(folder) if "alert" in rule]
    assert len(alerts) >= 8
    for alert in alerts:
        file, _, section = alert["annotations"]["runbook"].partition("#")
        assert file == "docs/metrics.md"
        assert section in sections, alert["alert"]
        assert alert["annotations"]["summary"]
        assert alert["labels"]["severity"] in ("critical", "warning")


def test_prometheus_is_told_the_rules_and_where_the_server_is(folder: Path) -> None:
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    assert all((folder / name).exists() for name in config["rule_files"])
    [job] = config["scrape_configs"]
    assert job["job_name"] == "jubako"  # which the alert JubakoDown asks for
