"""What a server exports is what docs/metrics.md tells, and what dashboard and rules ask for."""

from pathlib import Path

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.expressions import documented, expressions, recorded, series, unknown
from tests.e2e.server import Server

Families = dict[str, Metric]
SOMETIMES = ("jubako_gpu", "jubako_shadow")
"""What only a server with a GPU, or with a shadow, has."""


@pytest.fixture(scope="module")
def exported(tiny_server: Server) -> Families:
    """Metrics of a server that has answered, and refused, by name."""
    httpx.post(f"{tiny_server.url}/embed", json={"inputs": ["rice"]})
    httpx.post(f"{tiny_server.url}/embed", json={"inputs": []})
    httpx.post(f"{tiny_server.url}/embed", json={"inputs": ["of " * 500], "truncate": False})
    httpx.get(f"{tiny_server.url}/metrics")
    text = httpx.get(f"{tiny_server.url}/metrics").text
    families = [family for family in text_string_to_metric_families(text) if family.name.startswith("jubako")]
    return {f"{family.name}_total" if family.type == "counter" else family.name: family for family in families}


def labels_of(family: Metric) -> frozenset[str]:
    return frozenset(label for sample in family.samples for label in sample.labels if label != "le")


def test_the_page_of_metrics_tells_what_is_exported(exported: Families, repository: Path) -> None:
    told = documented(repository / "docs/metrics.md")
    always = {name: what for name, what in told.items() if not name.startswith(SOMETIMES)}
    found = {name: (family.type, labels_of(family)) for name, family in exported.items() if "gpu" not in name}
    assert found == always
    assert (
        len(told) - len(always) == 5
    )  # tests/serving/telemetry/test_exposition.py and releases/test_shadowing.py name them


def test_dashboard_and_rules_ask_for_what_is_exported(exported: Families, repository: Path) -> None:
    folder = repository / "deploy" / "observability"
    told = documented(repository / "docs/metrics.md")
    sometimes = {name: what for name, what in told.items() if name.startswith(SOMETIMES)}
    there = {sample.name for family in exported.values() for sample in family.samples}
    assert unknown(expressions(folder), there | series(sometimes) | recorded(folder)) == set()


def test_metrics_are_told_compressed_to_who_takes_it_and_are_not_cached(tiny_server: Server) -> None:
    response = httpx.get(f"{tiny_server.url}/metrics", headers={"accept-encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert response.headers["cache-control"] == "no-store"
