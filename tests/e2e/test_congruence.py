"""The same calls through every transport come to the same: answers to the sixth place, and codes of errors."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import httpx
import openai
import pytest
import tritonclient.grpc as triton
from hypothesis import HealthCheck, given, settings

from bundle.bundle import Bundle
from bundle.store import save
from serving.core import Core
from serving.loading import load_model
from serving.settings import Settings
from tests.e2e.congruence import arms as ways
from tests.e2e.congruence import oip, rpc
from tests.e2e.congruence.arms import Arm, Http, InProcess, OpenAi, Unsayable
from tests.e2e.congruence.calls import CLASSIFIER, RECOMMENDER, TEXT_MODEL, Call, Shop, calls
from tests.e2e.congruence.outcomes import differences
from tests.e2e.server import Server, running
from tests.tiny import build_tiny_bundle

CALLS = 300
UNSAYABLE = {
    "HTTP": set(),
    "gRPC": {rpc.TYPES, rpc.NAMES, rpc.EMPTY, rpc.UNSIGNED},
    "OIP HTTP": {oip.PATH, oip.TYPES, oip.ENCODING, oip.ANCHORS, oip.NOBODY},
    "OIP gRPC": {oip.PATH, oip.TYPES, oip.ENCODING, oip.ANCHORS, oip.NOBODY},
    "OpenAI client": {ways.OPENAI_EMBEDS, ways.OPENAI_NAMES, ways.OPENAI_OPTIONS},
}
"""Why a way may have no words for a call."""
LEAST = {"HTTP": 300, "gRPC": 240, "OIP HTTP": 200, "OIP gRPC": 200, "OpenAI client": 30}
"""Calls that each way has to have words for."""
MODELS = [TEXT_MODEL, CLASSIFIER, RECOMMENDER]


@pytest.fixture(scope="module")
def shop(exported_books: Bundle) -> Shop:
    return Shop.of(exported_books)


@pytest.fixture(scope="module")
def server(
    shop: Shop, stored_tales: Bundle, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    save(build_tiny_bundle(tmp_path_factory.mktemp("prompted"), name=TEXT_MODEL, prompts={"query": "a box of "}))
    log = tmp_path_factory.mktemp("log") / "server.log"
    names = ", ".join(f'"{name}"' for name in MODELS)
    with running(repository, log, JUBAKO_MODELS=f"[{names}]") as server:
        yield server


@pytest.fixture(scope="module")
def arms(server: Server) -> Iterator[list[Arm]]:
    """The core itself, to which the others are compared, and the others."""
    own = Settings(models=MODELS)
    core = Core({name: load_model(name, own) for name in MODELS}, own)
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        stack.callback(core.close)
        http = stack.enter_context(httpx.Client(base_url=server.url))
        yield [
            InProcess(core, runner),
            Http(http),
            rpc.Grpc(stack.enter_context(grpc.insecure_channel(server.grpc_address))),
            oip.OipHttp(http),
            oip.OipGrpc(stack.enter_context(triton.InferenceServerClient(server.grpc_address))),
            OpenAi(stack.enter_context(openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0))),
        ]


def test_every_transport_gives_the_same_answers_and_errors(arms: list[Arm], shop: Shop) -> None:
    """What a way has no words for is counted under the reason, so that nothing is passed over unseen."""
    asked: Counter[str] = Counter()
    unsayable: dict[str, Counter[str]] = {name: Counter() for name in LEAST}
    came_to: Counter[tuple[str, str]] = Counter()

    @settings(max_examples=CALLS, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(calls(shop))
    def check(call: Call) -> None:
        reference, *others = arms
        expected = reference.ask(call)
        asked[reference.name] += 1
        came_to[call.task, expected["error"]["code"] if "error" in expected else "answered"] += 1
        for arm in others:
            try:
                outcome = arm.ask(call)
            except Unsayable as reason:
                unsayable[arm.name][str(reason)] += 1
                continue
            asked[arm.name] += 1
            assert not list(differences(arm.seen(expected), outcome)), (arm.name, call)

    check()
    print(dict(asked), dict(came_to), {name: dict(reasons) for name, reasons in unsayable.items()}, sep="\n")
    for name, least in LEAST.items():
        assert asked[name] + unsayable[name].total() == asked["in-process"] == CALLS
        assert asked[name] >= least
        assert set(unsayable[name]) <= UNSAYABLE[name]
    for task in ("embed", "classify", "recommend"):
        assert {code for told, code in came_to if told == task} >= {"answered", "invalid_value", "unknown_model"}
        assert came_to[task, "answered"] >= 40
