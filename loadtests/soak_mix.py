"""What a soak sends: every endpoint whose model the server has, in the shares of a day's traffic."""

import json
import random
from collections.abc import Callable

from bundle.bundle import Bundle
from bundle.manifest import Task
from features.pipeline import Pipeline
from loadtests.plan import Request
from loadtests.records import make_records
from loadtests.servers import Server
from loadtests.workload import make_workload

REQUESTS = 1000
"""Different requests; they are sent in turn."""
LIST = 16
KNOWN_ITEMS = 200

Make = Callable[[], Request]


def make_mix(bundles: list[Bundle], server: Server, seed: int) -> list[Request]:
    """Return requests to a running server that serves `bundles`, shuffled.

    Of ten, six embed one text and one embeds sixteen, through Jubako's endpoint and OpenAI's; where there is a
    classifier, two classify a record, and where there is a recommender, two recommend to a history.
    """
    rng = random.Random(seed)
    weighted: list[tuple[int, Make]] = []
    for task, ways in ((Task.EMBED, _embedding), (Task.CLASSIFY, _classifying), (Task.RECOMMEND, _recommending)):
        able = [bundle for bundle in bundles if bundle.manifest.tasks[-1] == task]
        if able:
            weighted += ways(able[0], server, rng)
    weights, makers = zip(*weighted, strict=True)
    return [make() for make in rng.choices(makers, weights, k=REQUESTS)]


def _embedding(bundle: Bundle, server: Server, rng: random.Random) -> list[tuple[int, Make]]:
    texts = make_workload(REQUESTS, rng.randrange(2**16)).texts
    name = bundle.manifest.name

    def single() -> Request:
        return _request("/embed", {"inputs": rng.choice(texts), "model": name})

    def listed() -> Request:
        return _request("/embed", {"inputs": rng.choices(texts, k=LIST), "model": name}, LIST)

    def openai() -> Request:
        return _request("/v1/embeddings", {"input": rng.choice(texts), "model": name})

    return [(5, single), (1, listed), (1, openai)]


def _classifying(bundle: Bundle, server: Server, rng: random.Random) -> list[tuple[int, Make]]:
    records = make_records(Pipeline.open(bundle.root).config.record, REQUESTS, rng.randrange(2**16))
    return [(2, lambda: _request("/classify", {"inputs": rng.choice(records), "model": bundle.manifest.name}))]


def _recommending(bundle: Bundle, server: Server, rng: random.Random) -> list[tuple[int, Make]]:
    name = bundle.manifest.name
    popular = json.loads(server.post("/recommend", json.dumps({"model": name, "k": KNOWN_ITEMS})))
    ids = [item["id"] for item in popular["items"]]

    def known() -> Request:
        history = rng.sample(ids, min(len(ids), rng.randint(1, 20)))
        return _request("/recommend", {"model": name, "user": {"history": history}, "k": 20})

    return [(2, known)]


def _request(path: str, body: dict[str, object], inputs: int = 1) -> Request:
    return Request(json.dumps(body), inputs, inputs, path)
