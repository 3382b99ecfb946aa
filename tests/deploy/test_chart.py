"""The Helm chart: what it renders is valid, hardened, and agrees with the server's settings."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.checks import chart
from deploy.checks.chart import CHART, EVERYTHING, GPU, Manifest, check_chart, render, rules_file, validate
from deploy.checks.tools import CheckError, helm, run
from serving.settings import Settings

HARDENED_POD = {
    "runAsNonRoot": True,
    "runAsUser": 1034,
    "runAsGroup": 1034,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture(scope="module", autouse=True)
def _with_helm() -> None:
    try:
        helm()
    except CheckError as error:
        pytest.skip(str(error))


def one(kind: str, manifests: list[Manifest], name: str = "jubako") -> Manifest:
    return next(each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name)


def pod(*values: str) -> dict[str, Any]:
    spec: dict[str, Any] = one("Deployment", render(*values))["spec"]["template"]["spec"]
    return spec


def environment(*values: str) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in pod(*values)["containers"][0]["env"]}


def settings(*values: str) -> tuple[str, ...]:
    return tuple(part for value in values for part in ("--set", value))


def test_every_manifest_of_every_kind_of_values_is_valid() -> None:
    assert "manifests" in check_chart()


@pytest.mark.parametrize("fault", ["replicas", "misspelt", "kind"])
def test_a_manifest_at_fault_is_found(fault: str) -> None:
    deployment = one("Deployment", render())
    if fault == "replicas":
        deployment["spec"]["replicas"] = "two"
    elif fault == "misspelt":
        deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    else:
        deployment["kind"] = "Deploymnt"
    with pytest.raises(CheckError, match="jubako"):
        validate(deployment, chart.KUBERNETES[0])


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PrometheusRule"])
def test_a_field_that_an_operator_does_not_know_is_found(kind: str) -> None:
    manifest = one(kind, render(*EVERYTHING))
    validate(manifest, chart.KUBERNETES[0])
    manifest["spec"]["surprise"] = True
    with pytest.raises(CheckError, match="surprise"):
        validate(manifest, chart.KUBERNETES[0])


@pytest.mark.parametrize(
    "wrong", ["gpu.cuont=2", "drain.delayMs=25000", "access.required=maybe", "env.JUBAKO_RUNNERS=2", "replicas=0"]
)
def test_values_that_mean_nothing_are_refused(wrong: str) -> None:
    with pytest.raises(CheckError):
        render("--set", wrong)


@pytest.mark.parametrize("values", [(), GPU, EVERYTHING])
def test_the_pod_is_hardened(values: tuple[str, ...]) -> None:
    spec = pod(*values)
    assert HARDENED_POD.items() <= spec["securityContext"].items()
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    writable = {each["name"] for each in spec["volumes"] if "emptyDir" in each} - {"scratch"}
    assert writable == {"tmp"}
    assert all("sizeLimit" in each["emptyDir"] for each in spec["volumes"] if each["name"] == "tmp")


def test_probes_ask_for_life_and_readiness_where_the_server_tells_them() -> None:
    container = pod()["containers"][0]
    paths = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert container["readinessProbe"]["timeoutSeconds"] * 1000 > Settings().readiness.probe_timeout_ms
    start = container["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] == 120


@pytest.mark.parametrize(("limit", "grace"), [(25_000, 30), (25_400, 31), (1_200_000, 1205)])
def test_a_pod_is_given_more_time_than_the_server_takes_to_drain(limit: int, grace: int) -> None:
    values = settings(f"drain.limitMs={limit}")
    assert pod(*values)["terminationGracePeriodSeconds"] == grace
    told = environment(*values)
    assert told["JUBAKO_LIFECYCLE__DRAIN_LIMIT_MS"] == str(limit)
    assert int(told["JUBAKO_LIFECYCLE__DRAIN_DELAY_MS"]) >= 5000


def test_each_gpu_of_a_pod_has_one_runner() -> None:
    values = (*GPU, *settings("gpu.count=4"))
    told = environment(*values)
    assert (told["JUBAKO_TOPOLOGY"], told["JUBAKO_RUNNERS"], told["JUBAKO_ENGINE__DEVICE"]) == ("split", "4", "cuda")
    assert pod(*values)["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 4
    assert pod(*values)["containers"][0]["image"].endswith("-gpu")
    assert "nvidia.com/gpu" not in pod()["containers"][0]["resources"]["limits"]


def test_the_engine_divides_the_cores_that_are_requested_and_not_those_of_the_node() -> None:
    env = {each["name"]: each for each in pod()["containers"][0]["env"]}
    assert env["JUBAKO_ENGINE__LANES"]["valueFrom"]["resourceFieldRef"]["resource"] == "requests.cpu"
    assert env["JUBAKO_ENGINE__THREADS_PER_LANE"]["value"] == "1"


@pytest.mark.parametrize("values", [(), GPU, EVERYTHING])
def test_every_variable_is_a_setting(values: tuple[str, ...]) -> None:
    names = {name for name in environment(*values) if name.startswith("JUBAKO_")} - {"JUBAKO_STORE"}
    for name in names:
        section, _, field = name.removeprefix("JUBAKO_").lower().partition("__")
        if section == "access":
            continue
        assert section in Settings.model_fields, name
        annotation = Settings.model_fields[section].annotation
        assert not field or field in getattr(annotation, "model_fields", {}), name


def test_keys_come_from_a_secret_and_are_left_out_only_by_name() -> None:
    assert environment()["JUBAKO_ACCESS__KEYS_FILE"] == "/etc/jubako/access/keys.toml"
    mount = next(each for each in pod()["containers"][0]["volumeMounts"] if each["name"] == "access")
    assert mount["readOnly"] is True
    assert next(each for each in pod()["volumes"] if each["name"] == "access")["secret"]["secretName"] == "jubako-keys"
    never = settings("access.required=never")
    assert "JUBAKO_ACCESS__KEYS_FILE" not in environment(*never)
    assert environment(*never)["JUBAKO_ACCESS__REQUIRED"] == "never"


def test_tls_is_for_both_protocols() -> None:
    values = settings("tls.enabled=true")
    container = pod(*values)["containers"][0]
    assert container["args"][::2] == ["--ssl-certfile", "--ssl-keyfile"]
    assert environment(*values)["JUBAKO_GRPC__TLS_CERTIFICATE"] == container["args"][1]
    assert {container[name]["httpGet"]["scheme"] for name in ("startupProbe", "livenessProbe", "readinessProbe")} == {
        "HTTPS"
    }


def test_bundles_are_mounted_read_only_from_a_claim() -> None:
    rendered = render(*settings("store.enabled=true"))
    claim = one("PersistentVolumeClaim", rendered, "jubako-store")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    spec = pod(*settings("store.enabled=true"))
    assert environment(*settings("store.enabled=true"))["JUBAKO_STORE"] == "/store"
    assert {"name": "store", "mountPath": "/store", "readOnly": True} in spec["containers"][0]["volumeMounts"]
    theirs = render(*settings("store.enabled=true", "store.existingClaim=bundles"))
    assert not [each for each in theirs if each["kind"] == "PersistentVolumeClaim"]


def test_it_scales_by_queued_tokens_unless_told_otherwise() -> None:
    def metrics(*values: str) -> list[Any]:
        scaler = one("HorizontalPodAutoscaler", render(*settings("autoscaling.enabled=true", *values)))
        return [
            each.get("pods", each.get("resource"))["metric" if "pods" in each else "name"]
            for each in scaler["spec"]["metrics"]
        ]

    assert metrics() == [{"name": "jubako_queue_tokens"}]
    assert metrics("autoscaling.cpuPercent=80") == [{"name": "jubako_queue_tokens"}, "cpu"]
    assert "replicas" not in one("Deployment", render(*settings("autoscaling.enabled=true")))["spec"]


def test_a_pod_calls_nobody_and_is_called_on_two_ports() -> None:
    policy = one("NetworkPolicy", render())["spec"]
    assert policy["egress"] == []
    assert [port["port"] for port in policy["ingress"][0]["ports"]] == ["http", "grpc"]


def test_the_monitor_scrapes_each_pod_once() -> None:
    rendered = render(*EVERYTHING)
    monitor = one("ServiceMonitor", rendered)["spec"]["selector"]
    labels = one("Service", rendered, "jubako-headless")["metadata"]["labels"]
    assert monitor["matchExpressions"] == [{"key": "jubako/headless", "operator": "DoesNotExist"}]
    assert "jubako/headless" in labels


def test_names_fit_releases_of_other_names() -> None:
    names = {each["metadata"]["name"] for each in chart.documents(run(helm(), "template", "search", CHART))}
    assert names == {"search-jubako", "search-jubako-headless"}


def test_the_observability_rules_go_into_the_chart_as_they_are(repository: Path) -> None:
    rules = repository / "deploy" / "observability" / "rules.yaml"
    if not rules.exists():
        pytest.skip("deploy/observability holds no rules")
    validate(one("PrometheusRule", render(*rules_file(rules))), chart.KUBERNETES[0])


def test_the_page_of_values_names_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    page = (CHART / "README.md").read_text()
    missing = [path for path in _paths(schema) if f"`{path}`" not in page]
    assert missing == []


def _paths(schema: dict[str, Any], above: str = "") -> list[str]:
    found = []
    for name, child in schema["properties"].items():
        if name == "global":
            continue
        path = f"{above}{name}"
        found += _paths(child, f"{path}.") if "properties" in child else [path]
    return found


def test_the_chart_is_of_the_projects_version(repository: Path) -> None:
    project = re.search(r'^version = "(.*)"', (repository / "pyproject.toml").read_text(), re.MULTILINE)
    told = (CHART / "Chart.yaml").read_text()
    assert project is not None
    assert f'appVersion: "{project[1]}"' in told
