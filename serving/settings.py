"""One tree of settings: defaults < file < environment < flags.

The file is `jubako.toml` in the working directory, or the one `JUBAKO_SETTINGS_FILE` names. Environment variables are
`JUBAKO_` and the path of a field joined by two underscores, for example `JUBAKO_QUEUE__MAX_TOKENS=500000`.
"""

import os
import re
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from bundle.manifest import Precision
from serving.access.records import KeyId, KeyRecord

MIB = 1024 * 1024


class Section(BaseModel):
    """Base of all sections: a misspelt key is an error, the docstring below a field is its documentation."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Limits(Section):
    """What a single request may ask for."""

    max_body_bytes: int = Field(8 * MIB, gt=0)
    """Largest request body; a larger one gets 413 before it is read to its end."""
    max_inputs: int = Field(2048, gt=0)
    """Most inputs in one request; more get 413."""
    max_k: int = Field(1000, gt=0)
    """Most items that a recommend request may ask for; a larger `k` gets 422."""
    max_history: int = Field(10_000, gt=0)
    """Most item ids in a user's history, and in `exclude`; more get 413."""
    deadline_ms: float = Field(30_000, gt=0)
    """Time a request may take from arrival to answer when it brings no `x-request-timeout-ms` of its own; then 504."""
    head_ms: float = Field(10_000, gt=0)
    """Time in which a new connection has to send the head of an HTTP request, and one that has begun a head the rest of
    it; then it is closed, with 408 where something had come. Over gRPC the time to begin HTTP/2."""
    max_head_bytes: int = Field(64 * 1024, gt=0)
    """Largest head of an HTTP request, path and headers together; a larger one gets 431."""
    keep_alive_ms: float = Field(75_000, gt=0)
    """Time that a connection may be idle between two requests. Longer than clients and balancers keep theirs, 60 s
    mostly: else a request may come while its connection is being closed."""
    body_ms: float = Field(30_000, gt=0)
    """Time in which a request's body has to arrive; then 408."""
    compress_min_bytes: int = Field(1024, ge=0)
    """Smallest answer that is compressed for clients whose `accept-encoding` allows it. 0 compresses none."""


class Batching(Section):
    """How micro-batches are cut."""

    max_batch_tokens: int = Field(0, ge=0)
    """Padded tokens of a micro-batch (rows x longest row). 0 chooses by model and device: for transformers 512 on a CPU
    and 16,384 on CUDA; for bags of n-grams, whose tokens are light, 32,768 and 262,144."""
    max_batch_rows: int = Field(256, gt=0)
    """Rows of a micro-batch."""
    max_padding_ratio: float = Field(1.1, ge=1.0)
    """Rows join a micro-batch only while padded tokens / real tokens stays at or below this."""


class Queue(Section):
    """What may wait."""

    max_tokens: int = Field(0, ge=0)
    """Tokens that may wait or be computed at once; while that many do, requests get 429 with Retry-After.
    0 chooses by model and device: for transformers 65,536 on a CPU and 2,097,152 on CUDA; for bags 4,194,304 and
    33,554,432."""


class Engine(Section):
    """Where and how graphs run."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes CUDA when ONNX Runtime offers it, else the CPU."""
    precision: Precision | None = None
    """Overrides the choice by manifest; a graph is still never run on a provider it is not exported for."""
    lanes: int = Field(0, ge=0)
    """Micro-batches computed side by side. 0 chooses by device: one per core on a CPU, 2 on CUDA."""
    threads_per_lane: int = Field(0, ge=0)
    """Intra-op threads of each lane on a CPU. 0 divides the cores among the lanes."""
    cuda_memory_bytes: int = Field(0, ge=0)
    """Upper bound of the CUDA arena. 0 leaves it to the device."""


class Readiness(Section):
    """When the server calls itself ready."""

    max_age_ms: float = Field(10_000, gt=0)
    """`/readyz` trusts an inference at most this old; an older one makes the probe run one through the engine."""
    probe_timeout_ms: float = Field(5_000, gt=0)
    """Time that such an inference may take before the probe answers 503."""


class Lifecycle(Section):
    """How the server stops."""

    drain_delay_ms: float = Field(500, ge=0)
    """Time from SIGTERM in which the server says that it is not ready and still takes every request: as long as those
    who send requests need to notice. The default suits clients that keep connections; on Kubernetes take 5,000."""
    drain_limit_ms: float = Field(25_000, gt=0)
    """Time from SIGTERM, the delay included, in which what was accepted is answered; then it gets 503 and the server
    ends. The default fits into the 30 s that Kubernetes grants."""

    @model_validator(mode="after")
    def _are_in_order(self) -> "Lifecycle":
        if self.drain_limit_ms <= self.drain_delay_ms:
            raise ValueError("drain_limit_ms is counted from SIGTERM; set it above drain_delay_ms")
        return self


class Observability(Section):
    """What is written down about requests, and how logs are written."""

    access_log: bool = True
    """One line for each answered request, written in batches beside the hot path."""
    access_log_sample: float = Field(1.0, ge=0, le=1)
    """Share of successful requests that are logged; errors always are."""
    trace_endpoint: str | None = None
    """Where spans are sent, as OTLP over HTTP: `http://collector:4318/v1/traces`. Nothing set: nothing is recorded."""
    trace_sample: float = Field(1.0, ge=0, le=1)
    """Share of the traces that begin here which are recorded; of one that a caller began the caller decides."""
    log_format: Literal["text", "json"] = "text"
    """`text`: lines for people, as BentoML writes them. `json`: one object in each line, for what collects logs."""
    log_exception_messages: bool = False
    """Whether tracebacks in the log end with what the exception says. That may quote a request, so they end with the
    exception's class alone unless this is set."""


class Grpc(Section):
    """How gRPC is served."""

    host: str = ""
    """Address that gRPC listens on; without one that of HTTP. `[::]` is every address of both families."""
    max_message_bytes: int = Field(8 * MIB, gt=0)
    """Largest message that is taken, packed or not; a larger one gets RESOURCE_EXHAUSTED."""
    compressed: Literal["auto", "always", "never"] = "auto"
    """Whether compressed messages are taken. gRPC unpacks a message whole before it looks at its size, and before a key
    can be looked at: 8 MiB may unpack to 8 GiB. `auto`: where callers need no key."""
    max_calls: int = Field(4096, gt=0)
    """Calls that are answered at once, streams included and health left out; more get RESOURCE_EXHAUSTED."""
    max_streams: int = Field(256, gt=0)
    """Streams of embed requests that are open at once; more get RESOURCE_EXHAUSTED."""
    max_stream_rows: int = Field(4096, gt=0)
    """Inputs of one stream that may be on their way at once; nothing more is read until some are answered."""
    stream_wait_ms: float = Field(1500, gt=0)
    """How long an input of a stream should take: as long as they are faster the stream is given more of its rows,
    while they are slower fewer, so that it keeps the device busy and leaves others their turn."""
    max_watchers: int = Field(256, gt=0)
    """Health checks that watch at once; more get RESOURCE_EXHAUSTED."""
    reflection: bool = True
    """Tell clients such as `grpcurl` which services and messages there are."""
    tls_certificate: Path | None = None
    """File with the certificate chain (PEM), to serve TLS; goes with `tls_key`. Without them gRPC is not encrypted."""
    tls_key: Path | None = None
    """File with the certificate's private key (PEM)."""

    @model_validator(mode="after")
    def _are_both_given(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together; set both, or neither")
        return self


class Releases(Section):
    """Which versions are served, and how one takes another's place."""

    file: Path | None = None
    """File that `jubako models promote` and its like write and servers watch; several servers may share it. Without it,
    `jubako/releases.json` in BentoML's home."""
    poll_ms: float = Field(1000, gt=0)
    """Time between two looks at the file."""
    load_ms: float = Field(300_000, gt=0)
    """Time in which runners have to load a version (`split`); then it is refused."""
    shadow_requests: int = Field(32, gt=0)
    """Copies of requests that may wait for a shadow version; more are dropped."""


class Access(Section):
    """Who may call."""

    required: Literal["auto", "always", "never"] = "auto"
    """Whether every request but those for health needs a key. `auto`: where there are keys, and wherever HTTP or gRPC
    listens on more than the loopback."""
    keys_file: Path | None = None
    """File of keys that `jubako keys` makes, read again when it changes."""
    keys: dict[KeyId, KeyRecord] = {}
    """Keys as in that file, by their ids, for a single machine; `jubako keys create` without `--file` prints one."""
    metrics: Literal["open", "key"] = "open"
    """Whether `/metrics` needs a key too, one that is for `metrics`."""
    cors_origins: list[str] = []
    """Origins whose pages may call from a browser, for example `https://console.example.org`; `*` is any."""

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin; write scheme://host or scheme://host:port, with no path")
        return origins


ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.\[\]:_-]+")
"""As browsers send it: in lower case, without a path."""


class Settings(BaseSettings):
    """All that an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix="JUBAKO_", env_nested_delimiter="__", extra="forbid", use_attribute_docstrings=True
    )

    models: list[str] = ["text", "genres", "papers", "books", "works"]
    """Bundles to serve: `name` (latest version) or `name:version`; the first that can do a task is its default. Where
    nothing is set, those of the default's names are served that are stored; a name that is set has to be stored."""
    topology: Literal["single", "split"] = "single"
    """`single`: one process does everything. `split`: fronts tokenise, one runner process per device computes."""
    runners: int = Field(1, gt=0)
    """Runner processes of the split topology, one per GPU."""
    fronts: int = Field(1, gt=0)
    """Front processes of the split topology."""
    grpc_port: int = Field(3001, ge=0, le=65_535)
    """Port that gRPC is served on; 0 serves none."""
    limits: Limits = Limits()
    batching: Batching = Batching()
    queue: Queue = Queue()
    engine: Engine = Engine()
    readiness: Readiness = Readiness()
    lifecycle: Lifecycle = Lifecycle()
    observability: Observability = Observability()
    grpc: Grpc = Grpc()
    releases: Releases = Releases()
    access: Access = Access()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, then environment, then file."""
        file = Path(os.environ.get(SETTINGS_FILE_VARIABLE, "jubako.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)


SETTINGS_FILE_VARIABLE = "JUBAKO_SETTINGS_FILE"
