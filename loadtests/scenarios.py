"""The shapes of load that every server arm goes through, in this order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from loadtests.plan import Request

OPEN_LOOP_SHARE = 0.7
"""Arrival rate of the open loop as a share of the arm's own measured capacity."""

OPEN_LOOP_CONNECTIONS = 512


@dataclass(frozen=True)
class Scenario:
    """One shape of load."""

    name: str
    title: str
    connections: int
    texts: int = 1
    """Texts of a request."""
    open_loop: bool = False


CAPACITY = Scenario("single_64", "1 text, 64 connections", 64)
"""Its throughput is the capacity that the open loop is set by."""

ALONE = Scenario("single_1", "1 text, 1 connection", 1)
BATCHES = Scenario("batch16_8", "16 texts, 8 connections", 8, texts=16)

SCENARIOS = (
    ALONE,
    Scenario("single_8", "1 text, 8 connections", 8),
    CAPACITY,
    BATCHES,
    Scenario("poisson_70", "1 text, Poisson at 70%", OPEN_LOOP_CONNECTIONS, open_loop=True),
)


CLASSIFY_SCENARIOS = tuple(
    replace(scenario, title=scenario.title.replace("text", "record")) for scenario in (ALONE, CAPACITY, BATCHES)
)
"""For classifiers: the same shapes, of records."""

BOUNDED = (CAPACITY.name, BATCHES.name)
"""Scenarios that are held against the bound."""


def make_requests(inputs: Sequence[object], tokens: Sequence[int], per_request: int) -> list[Request]:
    """Return requests of `per_request` inputs each, in order; a rest that fills no request is left out."""
    whole = len(inputs) - len(inputs) % per_request
    return [
        Request(
            json.dumps({"inputs": list(inputs[at : at + per_request])}),
            per_request,
            sum(tokens[at : at + per_request]),
        )
        for at in range(0, whole, per_request)
    ]
