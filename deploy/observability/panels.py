"""What the dashboard shows, row by row; `dashboard.py` turns it into Grafana's JSON."""

from dataclasses import dataclass

ON = 'job=~"$job",instance=~"$instance"'
"""The servers that were chosen."""
OF = f'{ON},model=~"$model"'
"""And the models."""
RATE = "[$__rate_interval]"
WORK = 'endpoint!~"/livez|/readyz|/metrics|/v2/health/.*|/grpc[.].*"'
"""Requests that a model answers, and those that are refused."""
RPC = 'endpoint=~"/(jubako|inference|grpc)[.].*"'


@dataclass(frozen=True)
class Query:
    """One PromQL expression and what its lines are called."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One picture."""

    title: str
    unit: str
    """As Grafana names it."""
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    always: bool = True
    """Whether a server that has answered has data for it; others need a GPU, a new version or a shadow."""


@dataclass(frozen=True)
class Row:
    """Panels below one heading."""

    title: str
    panels: tuple[Panel, ...]


def quantiles(metric: str, by: str, where: str) -> tuple[Query, ...]:
    """Return median and 99th percentile of a histogram for each value of a label."""
    grouped = f"sum by (le, {by}) (rate({metric}_bucket{{{where}}}{RATE}))"
    return tuple(
        Query(f"histogram_quantile({share}, {grouped})", f"{name} {{{{{by}}}}}")
        for share, name in (("0.5", "p50"), ("0.99", "p99"))
    )


def per_second(metric: str, by: str, where: str = OF) -> Query:
    """Return how fast a counter grows for each value of a label."""
    return Query(f"sum by ({by}) (rate({metric}{{{where}}}{RATE}))", f"{{{{{by}}}}}")


def mean(metric: str) -> Query:
    """Return the mean of a histogram for each model."""
    ratio = " / ".join(f"sum by (model) (rate({metric}_{part}{{{OF}}}{RATE}))" for part in ("sum", "count"))
    return Query(f"{ratio} > 0", "{{model}}")


ROWS = (
    Row("Traffic", (
        Panel("Requests", "reqps", (per_second("jubako_request_seconds_count", "endpoint", f"{ON},{WORK}"),)),
        Panel("Statuses", "reqps", (per_second("jubako_request_seconds_count", "status", f"{ON},{WORK}"),)),
        Panel("Errors by code", "reqps", (per_second("jubako_errors_total", "code", ON),)),
        Panel("In flight", "short", (
            Query(f"sum by (protocol) (jubako_requests_in_flight{{{ON}}})", "{{protocol}}"),
        )),
    )),
    Row("Latency", (
        Panel("From arrival to answer", "s", quantiles("jubako_request_seconds", "endpoint", f"{ON},{WORK}")),
        Panel("Tokenize, for each request", "s", quantiles("jubako_tokenize_seconds", "model", OF)),
        Panel("Queue, for each row", "s", quantiles("jubako_queue_seconds", "model", OF)),
        Panel("Compute, for each micro-batch", "s", quantiles("jubako_compute_seconds", "model", OF)),
    )),
    Row("Batching", (
        Panel("Rows of a micro-batch, mean", "short", (mean("jubako_batch_rows"),)),
        Panel("Tokens of a micro-batch, mean, padding included", "short", (mean("jubako_batch_tokens"),)),
        Panel("Padding ratio", "short", (
            Query(
                f"sum by (model) (rate(jubako_padded_tokens_total{{{OF}}}{RATE}))"
                f" / (sum by (model) (rate(jubako_tokens_total{{{OF}}}{RATE})) > 0)",
                "{{model}}",
            ),
        )),
        Panel("Tokens computed", "short", (per_second("jubako_tokens_total", "model"),)),
    )),
    Row("Queue", (
        Panel("Share of the bound that is taken", "percentunit", (
            Query(
                f"sum by (model) (jubako_queue_tokens{{{OF}}}) / sum by (model) (jubako_queue_max_tokens{{{OF}}})",
                "{{model}}",
            ),
        )),
        Panel("Rejected", "reqps", (per_second("jubako_rejected_total", "model"),)),
        Panel("Deadlines missed", "reqps", (per_second("jubako_deadline_missed_total", "model"),)),
        Panel("Callers that left", "reqps", (per_second("jubako_cancelled_total", "model"),)),
    )),
    Row("Models", (
        Panel("Loaded", "short", (
            Query(
                f"max by (instance, model, version, family, graph, device) (jubako_model_info{{{OF}}}) == 1",
                "{{model}} {{version}}",
            ),
        ), "table"),
        Panel("Time to load", "s", (
            Query(f"max by (model, version) (jubako_model_load_seconds{{{OF}}})", "{{model}} {{version}}"),
        )),
        Panel("Micro-batches that failed and were split", "short", (
            per_second("jubako_batches_isolated_total", "model"),
        )),
    )),
    Row("Releases", (
        Panel("Requests by version", "reqps", (
            Query(f"sum by (model, version) (rate(jubako_model_seconds_count{{{OF}}}{RATE}))", "{{model}} {{version}}"),
        )),
        Panel("Time to answer by version, p99", "s", (
            Query(
                "histogram_quantile(0.99, sum by (le, model, version) "
                f"(rate(jubako_model_seconds_bucket{{{OF}}}{RATE})))",
                "{{model}} {{version}}",
            ),
        )),
        Panel("Errors by version", "reqps", (
            Query(
                f"sum by (model, version, code) (rate(jubako_model_errors_total{{{OF}}}{RATE}))",
                "{{model}} {{version}} {{code}}",
            ),
        )),
        Panel("Workers by version", "short", (
            Query(
                f"sum by (model, version, role) (jubako_release_workers{{{OF}}}) > 0", "{{model}} {{version}} {{role}}"
            ),
        )),
        Panel("Versions taken and refused", "short", (
            Query(f"sum by (model) (increase(jubako_swaps_total{{{OF}}}{RATE}))", "taken {{model}}"),
            Query(f"sum by (model) (increase(jubako_releases_refused_total{{{OF}}}{RATE}))", "refused {{model}}"),
        )),
        Panel("Time to load, test and warm a version, mean", "s", (mean("jubako_release_load_seconds"),), always=False),
        Panel("Copies for a shadow", "reqps", (
            per_second("jubako_shadow_requests_total", "outcome"),
        ), always=False),
        Panel("Agreement with a shadow, mean", "percentunit", (
            Query(
                f"sum by (model, version, measure) (rate(jubako_shadow_agreement_sum{{{OF}}}{RATE}))"
                f" / (sum by (model, version, measure) (rate(jubako_shadow_agreement_count{{{OF}}}{RATE})) > 0)",
                "{{model}} {{version}} {{measure}}",
            ),
        ), always=False),
    )),
    Row("Processes", (
        Panel("Ready", "short", (Query(f"min by (instance) (jubako_ready{{{ON}}})", "{{instance}}"),)),
        Panel("Resident memory", "bytes", (
            Query(f"sum by (instance, role) (jubako_process_resident_memory_bytes{{{ON}}})", "{{role}} {{instance}}"),
        )),
        Panel("Cores in use", "short", (per_second("jubako_process_cpu_seconds_total", "role", ON),)),
        Panel("Descriptors and tasks", "short", (
            Query(f"sum by (role) (jubako_process_open_fds{{{ON}}})", "descriptors {{role}}"),
            Query(f"sum by (instance) (jubako_tasks{{{ON}}})", "tasks {{instance}}"),
        )),
        Panel("Workers started", "short", (
            Query(f"sum by (role) (increase(jubako_worker_starts_total{{{ON}}}{RATE}))", "{{role}}"),
        )),
    )),
    Row("gRPC", (
        Panel("Calls", "reqps", (per_second("jubako_request_seconds_count", "endpoint", f"{ON},{RPC}"),)),
        Panel("Statuses", "reqps", (per_second("jubako_request_seconds_count", "status", f"{ON},{RPC}"),)),
        Panel("From call to answer", "s", quantiles("jubako_request_seconds", "endpoint", f"{ON},{RPC}")),
    )),
    Row("GPU", (
        Panel("Load", "percentunit", (
            Query(f"jubako_gpu_utilization_ratio{{{ON}}}", "{{instance}} {{gpu}}"),
        ), always=False),
        Panel("Memory in use", "percentunit", (
            Query(
                f"jubako_gpu_memory_used_bytes{{{ON}}} / jubako_gpu_memory_total_bytes{{{ON}}}", "{{instance}} {{gpu}}"
            ),
        ), always=False),
    )),
)  # fmt: skip
