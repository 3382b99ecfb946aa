"""Where the server listens, and whether that is somewhere where callers have to show a key."""

import os
import socket
from ipaddress import ip_address

import click
from bentoml._internal.configuration.containers import BentoMLContainer

from serving.access.keyring import Keyring
from serving.access.records import KeyFileError
from serving.settings import Settings

LOOPBACK = "127.0.0.1"

WAYS_OUT = """keys are needed here, and there are none. Do one of these:
  make a key:      jubako keys create NAME --file keys.toml, and set JUBAKO_ACCESS__KEYS_FILE=keys.toml
  stay local:      bentoml serve --host 127.0.0.1, or BENTOML_HOST=127.0.0.1
  let anybody in:  JUBAKO_ACCESS__REQUIRED=never, where something else keeps strangers out"""


def located(settings: Settings) -> Settings:
    """Return the settings with the address of gRPC filled in: unless it is set, it is HTTP's."""
    grpc = settings.grpc
    if grpc.host:
        return settings
    return settings.model_copy(update={"grpc": grpc.model_copy(update={"host": _bracketed(http_host())})})


def http_host() -> str:
    """Return the address that HTTP listens on.

    A worker asks the socket that it was given. The supervisor, which has none yet, is told by its command line or by
    BentoML's configuration, as BentoML itself is.
    """
    context = click.get_current_context(silent=True)
    params = context.params if context is not None else {}
    if params.get("fd") is not None:
        with socket.socket(fileno=os.dup(params["fd"])) as listening:
            is_internet = listening.family in (socket.AF_INET, socket.AF_INET6)
            return str(listening.getsockname()[0]) if is_internet else LOOPBACK
    return str(params.get("host") or BentoMLContainer.http.host.get())


def keys_required(settings: Settings, host: str) -> bool:
    """Return whether callers need a key, with HTTP on `host` and gRPC where the settings say."""
    access = settings.access
    if access.required != "auto":
        return access.required == "always"
    hosts = [host, *([settings.grpc.host or host] if settings.grpc_port else [])]
    return bool(access.keys or access.keys_file) or not all(map(is_loopback, hosts))


def check_access(settings: Settings, host: str) -> None:
    """Check, before any worker starts, that where keys are needed there are some.

    Raises:
        RuntimeError: there are none, or their file cannot be read; the message says what to do.
    """
    if not keys_required(settings, host):
        return
    try:
        known = len(Keyring(settings.access.keys, settings.access.keys_file))
    except KeyFileError as error:
        raise RuntimeError(f"JUBAKO_ACCESS__KEYS_FILE: {error}") from error
    if not known:
        raise RuntimeError(f"the server listens on {host}: {WAYS_OUT}")


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    bare = host.strip("[]")
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return bare == "localhost"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
