"""Locust users for every endpoint and request shape, for soak tests and for looking on while a server is loaded.

    locust -f loadtests/locustfile.py --headless --host http://127.0.0.1:3000
    locust -f loadtests/locustfile.py --headless --host http://127.0.0.1:3000 -u 64 -t 10m Batches OpenAI

Without flags of its own a run is bounded: 16 users, 8 new ones a second, 60 seconds. For figures to compare use
`python -m loadtests.bench`: Locust's users cost so much CPU that on few cores they are part of what is measured.

Anything but 200 is a failure, with one exception: 429 with Retry-After is the server doing what it promises. Such
answers are counted under their own name (`/embed, told to wait`), and the user waits as long as told. 429 without
Retry-After is a failure.
"""

import json
import os
import random
from functools import cache
from typing import Any

import gevent
from locust import FastHttpUser, between, events, task
from locust.argument_parser import LocustArgumentParser

from loadtests.records import make_records
from loadtests.workload import make_workload

TEXTS = 2048
SEED = 7
BATCH = 16
RECORD_VARIABLE = "JUBAKO_LOCUST_RECORD"
KNOWN_ITEMS = 500
"""Items that recommending users choose among."""
MAX_PAUSE_S = 30.0
"""Longest wait that a user takes from a Retry-After."""

WAIT = between(0.0, 0.05)
"""Seconds between two requests of a user."""

BOUNDS = {"users": 16, "spawn_rate": 8.0, "run_time": "60s"}
"""Defaults that make a run end by itself; `-u`, `-r` and `-t` override them."""


@events.init_command_line_parser.add_listener
def bound_by_default(parser: LocustArgumentParser, **_: Any) -> None:
    """Give Locust's own options bounded defaults."""
    parser.set_defaults(**BOUNDS, num_users=BOUNDS["users"])


@cache
def texts() -> list[str]:
    """Return the workload's texts, of real lengths; made once, when the first user asks."""
    return make_workload(TEXTS, SEED).texts


@cache
def records() -> list[dict[str, str]]:
    """Return records of the kind in `JUBAKO_LOCUST_RECORD`: `book`, the default, or `paper`."""
    return make_records("paper" if os.environ.get(RECORD_VARIABLE) == "paper" else "book", TEXTS, SEED)


def draw(count: int) -> list[str]:
    """Return that many texts of the workload."""
    return random.choices(texts(), k=count)


def ids_in(text: str) -> list[str]:
    """Return the ids of the items in an answer; none where it is another."""
    try:
        return [item["id"] for item in json.loads(text)["items"]]
    except (ValueError, TypeError, KeyError):
        return []


def pause_s(retry_after: str | None) -> float | None:
    """Return the seconds a Retry-After asks for, at most `MAX_PAUSE_S`; None when it is missing or not a number."""
    try:
        asked = float(retry_after or "")
    except ValueError:
        return None
    return min(asked, MAX_PAUSE_S) if asked >= 0 else None


class JubakoUser(FastHttpUser):
    """What all users share: one way to ask and to judge the answer."""

    abstract = True
    wait_time = WAIT

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, name: str | None = None) -> None:
        """Send a request; count 429 with Retry-After apart and honour it."""
        data = None if body is None else json.dumps(body)
        headers = {"content-type": "application/json"}
        named = name or path
        with self.client.request(method, path, data=data, headers=headers, name=named, catch_response=True) as answer:
            pause = pause_s(answer.headers.get("retry-after")) if answer.status_code == 429 else None
            if pause is not None:
                answer.request_meta["name"] = f"{named}, told to wait"
                answer.success()
            elif answer.status_code != 200:
                answer.failure(f"status {answer.status_code}: {(answer.text or '')[:200]}")
        if pause is not None:
            gevent.sleep(pause)


class Singles(JubakoUser):
    """One text a request, as search boxes send."""

    weight = 6

    @task
    def embed(self) -> None:
        """Embed one text."""
        self.ask("POST", "/embed", {"inputs": draw(1)})


class Batches(JubakoUser):
    """Sixteen texts a request, as indexing jobs send."""

    weight = 2

    @task
    def embed(self) -> None:
        """Embed sixteen texts."""
        self.ask("POST", "/embed", {"inputs": draw(BATCH)}, name=f"/embed x{BATCH}")


class Classifying(JubakoUser):
    """A record a request, by the first classifier; now and then sixteen."""

    weight = 2

    @task(8)
    def classify(self) -> None:
        """Classify one record."""
        self.ask("POST", "/classify", {"inputs": random.choices(records(), k=1), "top_k": 5})

    @task(1)
    def classify_batch(self) -> None:
        """Classify sixteen records."""
        body = {"inputs": random.choices(records(), k=BATCH), "top_k": 5}
        self.ask("POST", "/classify", body, name=f"/classify x{BATCH}")


class Recommending(JubakoUser):
    """Readers who ask the first recommender, by what they have read so far, and by single items.

    Which items there are the user learns from the most popular ones. Nobody's id is known here, so histories are sent.
    """

    weight = 2

    def on_start(self) -> None:
        """Learn some ids of items."""
        with self.client.request("POST", "/recommend", json={"k": KNOWN_ITEMS}, catch_response=True) as answer:
            self.ids = ids_in(answer.text or "") if answer.status_code == 200 else []

    def draw_ids(self, most: int) -> list[str]:
        """Return up to that many ids of items."""
        return random.sample(self.ids, k=min(random.randint(1, most), len(self.ids)))

    @task(6)
    def by_history(self) -> None:
        """Ask by a history."""
        self.ask("POST", "/recommend", {"user": {"history": self.draw_ids(30)}, "k": 20}, name="/recommend by history")

    @task(2)
    def by_items(self) -> None:
        """Ask for what is like a few items."""
        if anchors := self.draw_ids(3):
            self.ask("POST", "/recommend", {"items": anchors, "k": 20}, name="/recommend by items")

    @task(1)
    def explained(self) -> None:
        """Ask for a diverse answer with reasons."""
        body = {"user": {"history": self.draw_ids(30)}, "k": 20, "diversity": 0.3, "explain": True}
        self.ask("POST", "/recommend", body, name="/recommend explained")

    @task(1)
    def popular(self) -> None:
        """Ask as somebody of whom nothing is known."""
        self.ask("POST", "/recommend", {"k": 20}, name="/recommend popular")


class OpenAI(JubakoUser):
    """Applications on OpenAI's client, which asks for base64."""

    weight = 2

    @task
    def embeddings(self) -> None:
        """Embed one text in OpenAI's shape."""
        body = {"model": "text", "input": draw(1), "encoding_format": "base64"}
        self.ask("POST", "/v1/embeddings", body)


class Mixed(JubakoUser):
    """Embeds, and reads what operators and probes read."""

    weight = 1

    @task(8)
    def embed(self) -> None:
        """Embed a few texts."""
        self.ask("POST", "/embed", {"inputs": draw(random.randint(1, 4))}, name="/embed x1-4")

    @task(2)
    def models(self) -> None:
        """List the models."""
        self.ask("GET", "/models")

    @task(1)
    def ready(self) -> None:
        """Ask whether the server is ready."""
        self.ask("GET", "/readyz")

    @task(1)
    def alive(self) -> None:
        """Ask whether the server is alive."""
        self.ask("GET", "/livez")
