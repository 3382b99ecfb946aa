"""The applications whose floor is measured: all parse a request and answer one 384-d vector, none computes anything.

From plain uvicorn outwards each adds what a layer adds. The service classes at the end are Jubako's own front, once
with a model that answers at once, and once with the real tokeniser and scheduler around a device that answers at once.
"""

import os
from collections.abc import Sequence
from functools import cache
from typing import Any

import bentoml
import numpy as np
import orjson
from numpy.typing import NDArray

from bundle.store import find
from features.rows import FeatureRow
from serving.admission import Admission
from serving.api.asgi import Receive, Scope, Send, json_answer, read_body, send_answer
from serving.batching import Budget
from serving.core import Core
from serving.model import Placement, Result
from serving.opening import open_tokenizer
from serving.scheduler import Computed, Scheduler
from serving.service import FrontedService
from serving.settings import Settings
from serving.telemetry.metrics import QueueMetrics, SchedulerMetrics
from serving.text_model import TextModel

DIMENSIONS = 384
BUNDLE = "LOADTEST_BUNDLE"
"""Names the bundle whose manifest and tokeniser the fronts use."""

MAX_BODY_BYTES = 2**20


@cache
def vector() -> NDArray[np.float32]:
    """Return the vector that everybody answers, [384], of unit length."""
    drawn = np.random.default_rng(0).normal(size=DIMENSIONS).astype(np.float32)
    unit: NDArray[np.float32] = drawn / np.linalg.norm(drawn)
    return unit


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as an ASGI application: parse the body, answer the vector as JSON, nothing else."""
    if scope["type"] != "http":
        return
    if scope["method"] == "POST":
        orjson.loads(await read_body(scope["headers"], receive, MAX_BODY_BYTES))
    await send_answer(send, json_answer({"data": [{"index": 0, "embedding": vector()}]}))


@bentoml.asgi_app(plain, path="/")
@bentoml.service(name="mounted")
class Mounted:
    """The plain application, mounted in a BentoML service."""


@bentoml.service(name="native")
class Native:
    """A BentoML API."""

    @bentoml.api
    async def embed(self, inputs: list[str]) -> NDArray[np.float32]:
        """Answer the vector for each text."""
        return np.stack([vector() for _ in inputs])


class InstantModel(TextModel):
    """A text model that answers before it has tokenised: what is left is the front."""

    async def embed(
        self, inputs: Sequence[object], *, deadline: float, prompt: str | None = None, truncate: bool = True
    ) -> Result:
        """Answer the vector for each input."""
        return Result([vector() for _ in inputs], len(inputs))


class InstantDevice:
    """A device that computes nothing."""

    lanes = 2

    def compute(self, rows: Sequence[FeatureRow], alone: bool) -> Computed:
        """Answer the vector for each row."""
        return Computed(np.stack([vector() for _ in rows]), sum(map(len, rows)), 1e-6)


@bentoml.service(name="front", service_class=FrontedService)
class FrontOnly:
    """Jubako's front."""

    def __init__(self) -> None:
        self.core = make_core(InstantModel)


@bentoml.service(name="engineless", service_class=FrontedService)
class Engineless:
    """Jubako without a graph: front, tokeniser, scheduler, threads."""

    def __init__(self) -> None:
        self.core = make_core(TextModel)


def make_core(kind: type[TextModel]) -> Core:
    """Return a core with one model of that kind over a device that computes nothing."""
    bundle = find(os.environ.get(BUNDLE, "text"))
    name = bundle.manifest.name
    budget = Budget(tokens=512, rows=256, padding_ratio=1.1)
    admission = Admission(65_536, QueueMetrics(name))
    scheduler = Scheduler(InstantDevice(), budget, admission, SchedulerMetrics(name))
    model = kind(bundle.manifest, Placement("none", "none"), open_tokenizer(bundle), scheduler)
    models: dict[str, Any] = {name: model}
    return Core(models, Settings())
