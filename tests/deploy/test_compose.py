"""The Compose file: Compose would take it, its containers are hardened, and what it mounts is there."""

import pytest
import yaml

from deploy.checks import compose
from deploy.checks.tools import CheckError
from serving.settings import Settings

DOCUMENT = compose.read()


def test_compose_would_take_it() -> None:
    try:
        assert "3 services" in compose.check_compose()
    except CheckError as error:
        if "no schema" not in str(error):
            raise
        pytest.skip(str(error))


def test_a_key_that_compose_does_not_know_is_found() -> None:
    if not compose.SCHEMA.exists():
        pytest.skip(f"no {compose.SCHEMA}")
    wrong = {**DOCUMENT, "services": {"jubako": {"imgae": "jubako"}}}
    assert "imgae" in compose.faults(wrong)[0]


@pytest.mark.parametrize("name", ["jubako", "prometheus", "grafana"])
def test_every_container_is_hardened(name: str) -> None:
    service = DOCUMENT["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] != "0"


def test_the_server_has_time_to_drain() -> None:
    stop_s = int(DOCUMENT["services"]["jubako"]["stop_grace_period"].removesuffix("s"))
    assert stop_s * 1000 > Settings().lifecycle.drain_limit_ms


def test_consoles_are_not_for_everyone() -> None:
    for name in ("prometheus", "grafana"):
        assert all(port.startswith("127.0.0.1:") for port in DOCUMENT["services"][name]["ports"])
    assert DOCUMENT["services"]["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"].startswith(
        "${GRAFANA_PASSWORD:?"
    )


def test_grafana_is_given_the_data_source_that_prometheus_is() -> None:
    source = yaml.safe_load((compose.FILE.parent / "grafana" / "datasource.yaml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    provider = yaml.safe_load((compose.FILE.parent / "grafana" / "dashboards.yaml").read_text())["providers"][0]
    mounts = [volume.split(":")[1] for volume in DOCUMENT["services"]["grafana"]["volumes"]]
    assert any(mount.startswith(provider["options"]["path"]) for mount in mounts)


def test_what_is_mounted_is_there() -> None:
    missing = compose.missing(DOCUMENT)
    if missing and all(path.parent.name == "observability" for path in missing):
        pytest.skip("deploy/observability is not in this checkout")
    assert missing == []
