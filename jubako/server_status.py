"""What a server says of its releases, and following it until it serves what is wanted."""

import os
import time
from typing import Any, NamedTuple

import httpx

from bundle.errors import BundleError
from jubako.console import console
from serving.releases.errors import ReleaseError
from serving.releases.plan import Planned

DEFAULT_URL = "http://127.0.0.1:3000"
FOLLOW_S = 300.0
ASK_AGAIN_S = 0.2
AGREEING = 5
"""Answers over connections of their own that have to agree: each may come from another worker."""


class Released(NamedTuple):
    """What one worker says of a model."""

    active: str
    loading: str | None
    refused: str | None
    """Why, where what was wanted last is refused."""
    revision: int

    def __str__(self) -> str:
        return f"{self.active}{f', refused: {self.refused}' if self.refused else ''}"


def released(url: str, name: str, of: Planned | None = None) -> Released:
    """Ask a server; a refusal is told where it is of an entry of the releases file, or of any without one.

    Raises:
        ReleaseError: it does not answer, or does not serve the model.
    """
    key = os.environ.get("JUBAKO_API_KEY")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        response = httpx.get(f"{url.rstrip('/')}/models/{name}", headers=headers, timeout=10)
    except httpx.HTTPError as error:
        raise ReleaseError(f"{url} does not answer ({error}); name a server that runs with --url") from error
    if response.status_code != 200:
        raise ReleaseError(f"{url} answers {response.status_code}: {_message(response)}")
    told: dict[str, Any] = response.json()["release"]
    refused = told["refused"]
    if refused is not None and of is not None and refused["revision"] != of.revision:
        refused = None
    return Released(told["active"], told["loading"], refused and refused["reason"], told["revision"])


def follow(url: str, name: str, planned: Planned) -> None:
    """Return when a server's workers serve an entry of the releases file.

    Raises:
        BundleError: one of them refuses a version of it.
        ReleaseError: it does not answer, or not in time.
    """
    give_up = time.monotonic() + FOLLOW_S
    agreeing = 0
    loading: str | None = None
    while agreeing < AGREEING:
        told = released(url, name, planned)
        if told.refused is not None:
            raise BundleError(f"{url} refuses it and serves {told.active}: {told.refused}")
        agreeing = agreeing + 1 if told.revision >= planned.revision else 0
        if told.loading not in (None, loading):
            loading = told.loading
            console.print(f"{name}: {url} loads {loading}", soft_wrap=True)
        if time.monotonic() > give_up:
            raise ReleaseError(
                f"{url} has not followed within {FOLLOW_S:g} s; see that it reads this releases file "
                "(JUBAKO_RELEASES__FILE), and its log"
            )
        if not agreeing:
            time.sleep(ASK_AGAIN_S)


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
