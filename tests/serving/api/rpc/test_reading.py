from typing import Any

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from serving.api.rpc.reading import classify_body, embed_body, recommend_body
from serving.api.rpc.structs import fields_of
from wire._generated import encoder_pb2 as pb

numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not number.is_integer()
)
values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | numbers,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def exactly(value: Any) -> Any:
    """Return a value with its types: 1 is neither 1.0 nor true."""
    if isinstance(value, dict):
        return {key: exactly(each) for key, each in value.items()}
    return [exactly(each) for each in value] if isinstance(value, list) else (type(value), value)


@given(st.dictionaries(st.text(max_size=8), values, max_size=5))
def test_a_struct_is_the_json_that_it_was_made_from(document: dict[str, Any]) -> None:
    struct = struct_pb2.Struct()
    struct.update(document)
    assert exactly(fields_of(struct)) == exactly(document)


@pytest.mark.parametrize("number", [2.0**53 + 2, 1e300, -1e18, float("inf"), float("nan")])
def test_a_number_that_is_not_one_integer_stays_a_float(number: float) -> None:
    struct = struct_pb2.Struct()
    struct.update({"n": number})
    assert type(fields_of(struct)["n"]) is float


def test_what_is_not_given_has_the_defaults_of_http() -> None:
    embed = embed_body(pb.EmbedRequest(inputs=[pb.Input(text="a")]), pb.EmbedOptions())
    assert embed.model_dump(exclude={"inputs", "encoding_format"}) == {
        "model": None, "prompt": None, "dimensions": None, "normalize": None, "output_dtype": "float32",
        "truncate": True,
    }  # fmt: skip
    assert embed.encoding_format == "base64"
    classify = classify_body(pb.ClassifyRequest(inputs=[pb.Input(text="a")]))
    assert (classify.top_k, classify.threshold, classify.candidate_labels, classify.truncate) == (
        None,
        None,
        None,
        True,
    )
    assert recommend_body(pb.RecommendRequest()).model_dump() == {
        "model": None, "user": None, "items": None, "record": None, "k": 10, "exclude": None, "exclude_seen": True,
        "filters": None, "diversity": None, "explain": False,
    }  # fmt: skip


def test_every_option_arrives() -> None:
    options = pb.EmbedOptions(
        model="m", prompt="p", dimensions=8, normalize=False, output_dtype=pb.OUTPUT_DTYPE_INT8,
        encoding=pb.ENCODING_FLOATS, truncate=False,
    )  # fmt: skip
    embed = embed_body(pb.EmbedRequest(inputs=[pb.Input(text="a")]), options)
    assert embed.model_dump() == {
        "inputs": ["a"], "model": "m", "prompt": "p", "dimensions": 8, "normalize": False, "output_dtype": "int8",
        "encoding_format": "float", "truncate": False,
    }  # fmt: skip
    classify = classify_body(
        pb.ClassifyRequest(
            inputs=[pb.Input(text="a")], model="m", top_k=3, threshold=0.0, candidate_labels=["a", "b"], truncate=False
        )
    )
    assert classify.model_dump() == {
        "inputs": ["a"], "model": "m", "top_k": 3, "threshold": 0.0, "candidate_labels": ["a", "b"], "truncate": False
    }  # fmt: skip
    filters = pb.Filters(required={"tags": pb.Values(values=["x"])}, any={"author": pb.Values(values=["y", "z"])})
    asked = pb.RecommendRequest(
        model="m", user=pb.User(id="ann", history=["1"]), items=[pb.Item(id="2"), pb.Item()], k=3, exclude=["4"],
        exclude_seen=False, filters=filters, diversity=0.5, explain=True,
    )  # fmt: skip
    asked.user.attributes.update({"age": 34})
    asked.record.update({"title": "t", "year": 1999})
    assert recommend_body(asked).model_dump() == {
        "model": "m", "user": {"id": "ann", "history": ["1"], "attributes": {"age": 34}}, "items": ["2", None],
        "record": {"title": "t", "year": 1999}, "k": 3, "exclude": ["4"], "exclude_seen": False,
        "filters": {"required": {"tags": ["x"]}, "any": {"author": ["y", "z"]}}, "diversity": 0.5, "explain": True,
    }  # fmt: skip


def test_an_input_of_no_kind_is_null_and_a_person_is_told_apart() -> None:
    inputs = [pb.Input(), pb.Input(user=pb.User(id="ann")), pb.Input(user=pb.User())]
    assert embed_body(pb.EmbedRequest(inputs=inputs), pb.EmbedOptions()).inputs == [
        None, {"user": {"id": "ann"}}, {"user": {}}
    ]  # fmt: skip
