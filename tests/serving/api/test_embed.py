import base64
from typing import Any

import httpx
import numpy as np
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bundle.bundle import Bundle
from serving.core import Core
from tests.serving.api.conftest import post
from tests.tiny import CORPUS, embed_directly


async def embed(client: httpx.AsyncClient, *texts: str, **options: Any) -> list[Any]:
    response = await post(client, "/embed", inputs=list(texts), **options)
    assert response.status_code == 200, response.text
    return [item["embedding"] for item in response.json()["data"]]


async def test_vectors_are_those_of_the_graph(client: httpx.AsyncClient, tiny: Bundle) -> None:
    got = np.array(await embed(client, *CORPUS), dtype=np.float32)
    np.testing.assert_allclose(got, embed_directly(tiny.root, CORPUS), atol=1e-6)


async def test_the_answer_has_the_contract_s_shape(client: httpx.AsyncClient) -> None:
    response = await post(client, "/embed", inputs=["hello world", "数据"])
    body = response.json()
    assert (body["model"], body["version"]) == ("tiny", "1")
    assert [item["index"] for item in body["data"]] == [0, 1]
    assert body["usage"]["tokens"] > 4
    assert {part.split(";")[0].strip() for part in response.headers["server-timing"].split(",")} == {
        "tokenize", "queue", "compute"
    }  # fmt: skip


async def test_a_single_string_is_a_list_of_one(client: httpx.AsyncClient) -> None:
    single = (await post(client, "/embed", inputs="hello")).json()
    assert single == (await post(client, "/embed", inputs=["hello"])).json()


async def test_base64_holds_the_same_floats(client: httpx.AsyncClient) -> None:
    [floats] = await embed(client, "a box of rice")
    [encoded] = await embed(client, "a box of rice", encoding_format="base64")
    assert np.array_equal(np.frombuffer(base64.b64decode(encoded), "<f4"), np.array(floats, dtype=np.float32))


async def test_fewer_dimensions_keep_the_direction_and_unit_length(client: httpx.AsyncClient) -> None:
    [full], [short] = await embed(client, "rice"), await embed(client, "rice", dimensions=8)
    assert len(short) == 8
    np.testing.assert_allclose(np.linalg.norm(short), 1, atol=1e-6)
    np.testing.assert_allclose(np.array(full[:8]) / np.linalg.norm(full[:8]), short, atol=1e-6)


async def test_int8_with_its_scale_gives_the_floats_back(client: httpx.AsyncClient) -> None:
    [floats] = await embed(client, "rice and trays")
    item = (await post(client, "/embed", inputs="rice and trays", output_dtype="int8")).json()["data"][0]
    assert all(isinstance(value, int) and -127 <= value <= 127 for value in item["embedding"])
    np.testing.assert_allclose(np.array(item["embedding"]) * item["scale"], floats, atol=item["scale"] / 2 + 1e-7)


async def test_binary_packs_the_signs(client: httpx.AsyncClient) -> None:
    [floats] = await embed(client, "rice and trays")
    [packed] = await embed(client, "rice and trays", output_dtype="binary")
    assert np.unpackbits(np.array(packed, dtype=np.uint8)).tolist() == [int(value > 0) for value in floats]


async def test_half_precision_is_near_the_floats(client: httpx.AsyncClient) -> None:
    [floats] = await embed(client, "rice")
    [encoded] = await embed(client, "rice", output_dtype="float16", encoding_format="base64")
    np.testing.assert_allclose(np.frombuffer(base64.b64decode(encoded), "<f2"), floats, atol=1e-3)


async def test_one_bad_input_fails_alone(client: httpx.AsyncClient) -> None:
    response = await post(client, "/embed", inputs=["rice", 5, "of " * 500, None, "trays"], truncate=False)
    assert response.status_code == 200
    data = response.json()["data"]
    assert ["embedding" in item for item in data] == [True, False, False, False, True]
    assert [data[at]["error"]["code"] for at in (1, 2, 3)] == ["invalid_value", "too_long", "invalid_value"]
    assert data[2]["error"]["param"] == "inputs.2"


async def test_a_request_of_nothing_but_bad_inputs_is_an_error(client: httpx.AsyncClient) -> None:
    response = await post(client, "/embed", inputs=["of " * 500], truncate=False)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "too_long"


async def test_openai_s_shape_holds_the_same_vectors(client: httpx.AsyncClient) -> None:
    response = await post(client, "/v1/embeddings", model="tiny", input=["rice", "trays"], user="me")
    body = response.json()
    assert body["object"] == "list"
    assert [item["embedding"] for item in body["data"]] == await embed(client, "rice", "trays")
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 0


async def test_openai_s_shape_refuses_token_ids(client: httpx.AsyncClient) -> None:
    response = await post(client, "/v1/embeddings", model="tiny", input=[[1, 2, 3]])
    assert response.status_code == 422


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.sampled_from("abcdehlorstuw 数据é\x00\n"), max_size=80), min_size=1, max_size=40))
async def test_a_vector_does_not_depend_on_its_batch(core: Core, client: httpx.AsyncClient, texts: list[str]) -> None:
    together = np.array(await embed(client, *texts))
    alone = np.array([(await embed(client, text))[0] for text in texts])
    assert np.einsum("rd,rd->r", together, alone).min() >= 0.9999
