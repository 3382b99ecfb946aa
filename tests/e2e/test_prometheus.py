"""A real Prometheus scrapes a server, and every query of the dashboard and of the rules has what it asks for."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from bundle.bundle import Bundle
from deploy.observability.panels import ROWS, Panel, Query
from tests.deploy.expressions import rules
from tests.e2e.prometheus import SCRAPE_S, Prometheus, find, scraping
from tests.e2e.server import Server, running
from wire._generated import encoder_pb2 as pb
from wire._generated.encoder_pb2_grpc import EncoderStub

pytestmark = pytest.mark.skipif(
    find("prometheus") is None or find("promtool") is None,
    reason="there is no Prometheus; `make prometheus` gets Debian's, and `apt install prometheus` installs it",
)

PANELS = [(row.title, panel) for row in ROWS for panel in row.panels]
VARIABLES = {"$job": ".*", "$instance": ".*", "$model": ".*", "$__rate_interval": "1m"}


@pytest.fixture(scope="module")
def folder(repository: Path) -> Path:
    return repository / "deploy" / "observability"


@pytest.fixture(scope="module")
def server(
    stored_tiny: Bundle, stored_tales: Bundle, exported_books: Bundle, repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:  # fmt: skip
    log = tmp_path_factory.mktemp("log") / "server.log"
    with running(repository, log, JUBAKO_MODELS='["tiny", "tales", "small-books"]') as server:
        yield server


@pytest.fixture(scope="module")
def prometheus(server: Server, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus, when it has seen the server idle, and asked for everything."""
    scratch = tmp_path_factory.mktemp("prometheus")
    texts = {"rules.yaml": (folder / "rules.yaml").read_text()}
    with scraping(folder, scratch, server.url.removeprefix("http://"), texts) as prometheus:
        asyncio.run(drive(server))
        prometheus.wait_for('rate(jubako_request_seconds_count{endpoint="/recommend"}[1m]) > 0')
        prometheus.wait_for("jubako:padding_ratio:rate5m")
        yield prometheus


async def drive(server: Server) -> None:
    """Ask for everything over both transports, in two rounds with a scrape between, and make some errors."""
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        for _ in range(2):
            for path, body in REQUESTS:
                await client.post(path, json=body)
            await client.get("/nowhere")
            await client.post("/embed", json={"inputs": ["rice"] * 500}, headers={"x-request-timeout-ms": "0.01"})
            async with grpc.aio.insecure_channel(server.grpc_address) as channel:
                stub = EncoderStub(channel)
                await stub.Embed(pb.EmbedRequest(inputs=[pb.Input(text="rice")]))
                with pytest.raises(grpc.aio.AioRpcError):
                    await stub.Embed(pb.EmbedRequest(inputs=[pb.Input(text="x")], options=pb.EmbedOptions(model="no")))
            await asyncio.sleep(2 * SCRAPE_S + 0.3)


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/embed", {"inputs": ["rice", "rice and vegetables and trays"]}),
    ("/embed", {"inputs": []}),
    ("/embed", {"inputs": ["rice"], "model": "none"}),
    ("/classify", {"inputs": ["a dragon"]}),
    ("/recommend", {"user": {"attributes": {"age": 30}}, "model": "small-books"}),
    ("/recommend", {"model": "small-books", "k": 3}),
]


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


@pytest.mark.parametrize(("row", "panel"), PANELS, ids=[f"{row}: {panel.title}" for row, panel in PANELS])
def test_every_panel_has_data(prometheus: Prometheus, row: str, panel: Panel) -> None:
    for query in panel.queries:
        found = prometheus.query(filled(query.expression))
        assert found or not panel.always, query.expression
        labels = {label for series in found for label in series["metric"]}
        named = {part.split("}}")[0] for part in query.legend.split("{{")[1:]}
        assert named <= labels or not found, query.legend


def test_the_dashboard_s_queries_tell_what_was_asked(prometheus: Prometheus) -> None:
    by_code = {series["metric"]["code"] for series in prometheus.query("rate(jubako_errors_total[1m]) > 0")}
    assert {"invalid_value", "unknown_model", "unknown_path", "deadline"} <= by_code
    index = 'rate(jubako_compute_seconds_count{model="small-books.index"}[1m]) > 0'
    assert prometheus.query(index)
    calls = 'rate(jubako_request_seconds_count{endpoint="/jubako.v1.Encoder/Embed"}[1m]) > 0'
    assert {series["metric"]["status"] for series in prometheus.query(calls)} == {"OK", "NOT_FOUND"}


def test_a_query_for_what_is_not_exported_has_no_data(prometheus: Prometheus) -> None:
    with pytest.raises(AssertionError):
        test_every_panel_has_data(prometheus, "Traffic", Panel("None", "s", (Query("jubako_nothing_total", ""),)))


def test_every_rule_is_sound_and_what_is_recorded_is_there(prometheus: Prometheus, folder: Path) -> None:
    told = prometheus.rules()
    assert len(told) == len(rules(folder))
    assert {(rule["name"], rule["health"]) for rule in told if rule["health"] != "ok"} == set()
    quiet = {"jubako:server_errors:rate5m"}
    for rule in rules(folder):
        if "record" in rule:
            assert prometheus.query(rule["record"]) or rule["record"] in quiet, rule["record"]


def test_a_server_that_is_well_raises_no_alert_but_for_the_errors_it_was_made_to_tell(prometheus: Prometheus) -> None:
    firing = {rule["name"] for rule in prometheus.rules() if rule["type"] == "alerting" and rule["state"] == "firing"}
    assert firing <= {"JubakoErrors", "JubakoMissesDeadlines"}


@pytest.mark.parametrize("arguments", [("check", "config", "prometheus.yml"), ("test", "rules", "rules_test.yaml")])
def test_promtool_finds_no_fault(folder: Path, arguments: tuple[str, ...]) -> None:
    program = find("promtool")
    assert program is not None
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
