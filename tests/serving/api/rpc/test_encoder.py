"""The same core behind HTTP and gRPC: what one answers, the other answers."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict

from bundle.bundle import Bundle
from serving.api.front import Front
from serving.core import Core
from serving.loading import load_model
from serving.settings import Settings
from tests.serving.api.conftest import behind_the_front, post
from tests.serving.api.rpc.conftest import refusal, texts, told
from tests.serving.recommenders import BOOKS, LIMITS, make_books
from tests.tiny import CORPUS, embed_directly
from wire._generated import encoder_pb2 as pb


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(models=["tiny", "tales", "books"], limits=LIMITS)


@pytest.fixture(scope="module")
def core(
    stored_tiny: Bundle, stored_tales: Bundle, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Core]:
    loaded = {name: load_model(name, settings) for name in ("tiny", "tales")}
    books = make_books(tmp_path_factory.mktemp("books")).model
    core = Core({**loaded, "books": books}, settings)
    yield core
    core.close()


@pytest.fixture
async def client(core: Core, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    front = Front(behind_the_front, settings)
    front.core = core
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://test") as client:
        yield client


def record(**fields: Any) -> pb.Input:
    given = pb.Input()
    given.record.update(fields)
    return given


async def test_packed_vectors_are_those_of_the_graph(stub: Any, tiny: Bundle) -> None:
    answer = await stub.Embed(texts(*CORPUS))
    got = np.stack([np.frombuffer(item.packed, "<f4") for item in answer.data])
    np.testing.assert_allclose(got, embed_directly(tiny.root, CORPUS), atol=1e-6)
    assert (answer.model, answer.version) == ("tiny", "1")
    assert answer.usage.tokens > len(CORPUS)


@pytest.mark.parametrize(
    ("dtype", "stored"), [("float32", "<f4"), ("float16", "<f2"), ("int8", "i1"), ("binary", "u1")]
)
@pytest.mark.parametrize("dimensions", [None, 16])
async def test_every_form_holds_what_http_holds(
    stub: Any, client: httpx.AsyncClient, dtype: str, stored: str, dimensions: int | None
) -> None:
    options = {"output_dtype": pb.OutputDtype.Value(f"OUTPUT_DTYPE_{dtype.upper()}"), "dimensions": dimensions}
    http = (await post(client, "/embed", inputs=["rice"], output_dtype=dtype, dimensions=dimensions)).json()["data"][0]
    [packed] = (await stub.Embed(texts("rice", **options))).data
    [plain] = (await stub.Embed(texts("rice", encoding=pb.ENCODING_FLOATS, **options))).data
    np.testing.assert_array_equal(np.frombuffer(packed.packed, stored), np.array(http["embedding"], stored))
    np.testing.assert_array_equal(np.array(plain.floats.values, "<f4"), np.array(http["embedding"], "<f4"))
    scales = [item.scale if item.HasField("scale") else None for item in (packed, plain)]
    assert scales == pytest.approx([http.get("scale")] * 2)


async def test_one_bad_input_fails_alone(stub: Any) -> None:
    request = texts("rice", "of " * 500, truncate=False)
    request.inputs.add()
    good, long, empty = (await stub.Embed(request)).data
    assert len(good.packed) == 4 * 32
    assert [item.error.code for item in (long, empty)] == [3, 3]
    assert "shorten the text" in long.error.message
    assert empty.error.message == "an input must be a string"


async def test_a_recommender_embeds_items_records_and_people(stub: Any, client: httpx.AsyncClient) -> None:
    person = {"id": "ann", "history": ["103"], "attributes": {"country": "usa", "age": 34}}
    http = (await post(client, "/embed", inputs=["103", BOOKS[5], {"user": person}], model="books")).json()["data"]
    user = pb.User(id="ann", history=["103"])
    user.attributes.update({"country": "usa", "age": 34})
    inputs = [pb.Input(text="103"), record(**BOOKS[5]), pb.Input(user=user)]
    answer = await stub.Embed(pb.EmbedRequest(inputs=inputs, options=pb.EmbedOptions(model="books")))
    got = [np.frombuffer(item.packed, "<f4") for item in answer.data]
    np.testing.assert_array_equal(got, np.array([item["embedding"] for item in http], "<f4"))


async def test_labels_are_those_of_http(stub: Any, client: httpx.AsyncClient) -> None:
    book = {"title": "A dragon in orbit", "description": "the detective's wedding"}
    for options in ({}, {"top_k": 2}, {"threshold": 0.9}):
        http = (await post(client, "/classify", inputs=["a dragon", book, 5], **options)).json()
        request = pb.ClassifyRequest(inputs=[pb.Input(text="a dragon"), record(**book), pb.Input()], **options)
        answer = await stub.Classify(request)
        assert (answer.model, answer.version, answer.usage.tokens) == ("tales", "1", http["usage"]["tokens"])
        for item, expected in zip(answer.data[:2], http["data"], strict=False):
            got = [(each.label, each.name, each.score, each.assigned) for each in item.labels.labels]
            assert got == [
                (each["label"], each["name"], np.float32(each["score"]), each["assigned"])
                for each in expected["labels"]
            ]
        assert answer.data[2].error.code == 3


async def test_labels_of_the_callers_own(stub: Any) -> None:
    request = pb.ClassifyRequest(inputs=[pb.Input(text="rice")], model="tiny", candidate_labels=["rice", "server"])
    [item] = (await stub.Classify(request)).data
    assert sum(each.score for each in item.labels.labels) == pytest.approx(1, abs=1e-4)
    assert item.labels.labels[0].label == "rice"


async def test_recommendations_are_those_of_http(stub: Any, client: httpx.AsyncClient) -> None:
    body = {
        "user": {"id": "ann", "history": ["103", "nothing"], "attributes": {"age": 34}}, "k": 4, "exclude": ["105"],
        "filters": {"any": {"tags": ["fantasy", "war"]}, "excluded": {"author": ["Ada Quill"]}}, "diversity": 0.25,
        "explain": True,
    }  # fmt: skip
    http = (await post(client, "/recommend", **body)).json()
    filters = pb.Filters(
        any={"tags": pb.Values(values=["fantasy", "war"])}, excluded={"author": pb.Values(values=["Ada Quill"])}
    )
    user = pb.User(id="ann", history=["103", "nothing"])
    user.attributes.update({"age": 34})
    answer = await stub.Recommend(
        pb.RecommendRequest(user=user, k=4, exclude=["105"], filters=filters, diversity=0.25, explain=True)
    )
    assert (answer.strategy, answer.cold_start, list(answer.unknown)) == (pb.STRATEGY_USER, False, http["unknown"])
    assert answer.usage.tokens == http["usage"]["tokens"]
    assert len(answer.items) == 4
    for item, expected in zip(answer.items, http["items"], strict=True):
        assert (item.id, item.score, item.title) == (expected["id"], np.float32(expected["score"]), expected["title"])
        kinds = [pb.Reason.Kind.Name(reason.kind).removeprefix("KIND_").lower() for reason in item.reasons]
        assert kinds == [reason["kind"] for reason in expected["reasons"]]
        for reason, other in zip(item.reasons, expected["reasons"], strict=True):
            got = MessageToDict(reason, preserving_proto_field_name=True)
            del got["kind"], other["kind"]
            assert got == {
                key: pytest.approx(value, abs=1e-6) if isinstance(value, float) else value
                for key, value in other.items()
            }


async def test_anchors_are_ids_and_records_and_without_any_it_is_what_is_popular(stub: Any) -> None:
    anchor = pb.Item()
    anchor.record.update(BOOKS[7])
    answer = await stub.Recommend(pb.RecommendRequest(items=[pb.Item(id="101"), anchor], k=3))
    assert (answer.strategy, len(answer.items)) == (pb.STRATEGY_ITEMS, 3)
    popular = await stub.Recommend(pb.RecommendRequest())
    assert (popular.strategy, popular.cold_start, len(popular.items)) == (pb.STRATEGY_POPULARITY, True, 10)


@pytest.mark.parametrize(
    ("method", "request_", "code", "param"),
    [
        ("Embed", pb.EmbedRequest(), "invalid_value", "inputs"),
        ("Embed", texts("x", model="bookz"), "unknown_model", "model"),
        ("Embed", texts("x", dimensions=0), "invalid_value", "dimensions"),
        ("Embed", texts("x", dimensions=7), "invalid_value", "dimensions"),
        ("Embed", texts("x", output_dtype=9), "invalid_value", "output_dtype"),
        ("Embed", texts("x", encoding=9), "invalid_value", "encoding_format"),
        ("Embed", texts("x", prompt="query"), "invalid_value", "prompt"),
        ("Embed", texts(*["x"] * 3000), "too_large", "inputs"),
        ("Classify", pb.ClassifyRequest(inputs=[pb.Input(text="x")], top_k=0), "invalid_value", "top_k"),
        ("Classify", pb.ClassifyRequest(inputs=[pb.Input(text="x")], threshold=2), "invalid_value", "threshold"),
        ("Recommend", pb.RecommendRequest(k=0), "invalid_value", "k"),
        ("Recommend", pb.RecommendRequest(items=[pb.Item()]), "invalid_value", "items.0"),
        ("Recommend", pb.RecommendRequest(items=[pb.Item(id="none")]), "unknown_item", None),
    ],
)
async def test_what_http_refuses_grpc_refuses_with_the_same_code(
    stub: Any, method: str, request_: Any, code: str, param: str | None
) -> None:
    info, retry = told(await refusal(getattr(stub, method)(request_)))
    assert retry is None
    assert (info.reason, info.domain) == (code, "jubako")
    if param is not None:
        assert info.metadata["param"] == param


async def test_models_are_listed_as_http_lists_them(stub: Any, client: httpx.AsyncClient) -> None:
    listed = (await client.get("/models")).json()["models"]
    answer = await stub.ListModels(pb.ListModelsRequest())
    assert [MessageToDict(model) for model in answer.models] == listed
