"""Messages of inference over gRPC, without a server."""

from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from serving.api.oip import messages
from serving.api.oip.inference import Inference, infer
from serving.api.oip.tensors import INTEGERS, Tensor, to_binary
from serving.core import Core
from serving.errors import Code, JubakoError
from serving.settings import Limits
from wire._generated import predict_pb2 as pb

LIMITS = Limits()


def typed(*texts: bytes, shape: list[int] | None = None, **parameters: Any) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="tiny")
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=shape or [len(texts)])
    tensor.contents.bytes_contents.extend(texts)
    for name, value in parameters.items():
        request.parameters[name].string_param = value
    return request


def in_binary(*texts: bytes) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="tiny")
    request.inputs.add(name="text", datatype="BYTES", shape=[len(texts)])
    request.raw_input_contents.append(to_binary(Tensor.of_bytes("text", list(texts))))
    return request


def read(request: pb.ModelInferRequest) -> Inference:
    return messages.read(LIMITS, request, 1000.0)


async def answer(core: Core, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
    return messages.write(await infer(core, read(request)), request)


def code_of(request: pb.ModelInferRequest) -> Code:
    with pytest.raises(JubakoError) as found:
        read(request)
    return found.value.code


def test_typed_and_binary_tensors_are_the_same() -> None:
    assert read(typed(b"a", "数".encode())).inputs == read(in_binary(b"a", "数".encode())).inputs


def test_parameters_keep_their_kind() -> None:
    request = typed(b"a")
    request.parameters["truncate"].bool_param = False
    request.parameters["dimensions"].int64_param = 8
    request.parameters["k"].uint64_param = 9
    request.parameters["threshold"].double_param = 0.5
    request.parameters["prompt"].string_param = "query"
    expected = {"truncate": False, "dimensions": 8, "k": 9, "threshold": 0.5, "prompt": "query"}
    assert read(request).parameters == expected
    assert all(type(read(request).parameters[name]) is type(value) for name, value in expected.items())


async def test_an_answer_is_binary_unless_the_request_is_typed(core: Core) -> None:
    as_typed = await answer(core, typed(b"hello world", b"rice"))
    as_binary = await answer(core, in_binary(b"hello world", b"rice"))
    assert (len(as_typed.raw_output_contents), len(as_binary.raw_output_contents)) == (0, 1)
    [vectors] = as_binary.raw_output_contents
    assert list(np.frombuffer(vectors, dtype="<f4")) == list(as_typed.outputs[0].contents.fp32_contents)
    assert list(as_typed.outputs[0].shape) == list(as_binary.outputs[0].shape) == [2, 32]
    assert as_typed.parameters["tokens"].int64_param > 2


async def test_float16_is_binary_for_want_of_a_field(core: Core) -> None:
    told = await answer(core, typed(b"rice", output_dtype="float16"))
    assert (told.outputs[0].datatype, len(told.raw_output_contents[0])) == ("FP16", 64)
    assert not told.outputs[0].HasField("contents")


@pytest.mark.parametrize("dtype", ["int8", "binary"])
async def test_small_integers_travel_in_wider_fields(core: Core, dtype: str) -> None:
    as_typed, request = await answer(core, typed(b"rice", output_dtype=dtype)), in_binary(b"rice")
    request.parameters["output_dtype"].string_param = dtype
    as_binary = await answer(core, request)
    field = as_typed.outputs[0].contents.int_contents if dtype == "int8" else as_typed.outputs[0].contents.uint_contents
    kind = np.int8 if dtype == "int8" else np.uint8
    assert list(field) == np.frombuffer(as_binary.raw_output_contents[0], dtype=kind).tolist()


async def test_every_kind_of_output_can_be_typed(core: Core) -> None:
    request = typed(b"a dragon")
    request.model_name, request.id = "tales", "seven"
    told = await answer(core, request)
    label, name, score, assigned = told.outputs
    assert (told.id, told.model_name, told.model_version) == ("seven", "tales", "1")
    assert len(label.contents.bytes_contents) == len(name.contents.bytes_contents) == 5
    assert len(score.contents.fp32_contents) == len(assigned.contents.bool_contents) == 5


def test_ids_may_be_integers() -> None:
    request = pb.ModelInferRequest(model_name="books")
    tensor = request.inputs.add(name="items", datatype="INT64", shape=[2])
    tensor.contents.int64_contents.extend([101, 105])
    [items] = read(request).inputs
    assert isinstance(items.elements, np.ndarray)
    assert items.elements.tolist() == [101, 105]


def test_typed_and_binary_tensors_are_not_mixed() -> None:
    request = typed(b"a")
    request.raw_input_contents.append(b"\x01\x00\x00\x00a")
    assert code_of(request) is Code.MALFORMED


def test_each_input_has_its_binary_data() -> None:
    request = in_binary(b"a")
    request.raw_input_contents.append(b"")
    assert code_of(request) is Code.MALFORMED


def test_elements_in_another_field_are_refused() -> None:
    request = typed(b"a")
    request.inputs[0].contents.fp32_contents.append(1.0)
    assert code_of(request) is Code.INVALID_VALUE


def test_an_integer_that_its_datatype_cannot_hold_is_refused() -> None:
    request = pb.ModelInferRequest()
    request.inputs.add(name="items", datatype="INT8", shape=[1]).contents.int_contents.append(200)
    assert code_of(request) is Code.INVALID_VALUE


def test_parameters_of_tensors_are_refused() -> None:
    request = typed(b"a")
    request.inputs[0].parameters["shared_memory_region"].string_param = "r"
    assert code_of(request) is Code.INVALID_VALUE


def test_a_parameter_without_a_value_is_refused() -> None:
    request = typed(b"a")
    request.parameters["top_k"].SetInParent()
    assert code_of(request) is Code.INVALID_VALUE


def test_very_many_tensors_are_refused() -> None:
    request = pb.ModelInferRequest()
    for number in range(17):
        request.outputs.add(name=str(number))
    assert code_of(request) is Code.INVALID_VALUE


@given(st.binary(max_size=200))
def test_any_message_is_read_or_refused(raw: bytes) -> None:
    request = pb.ModelInferRequest()
    try:
        request.MergeFromString(raw)
    except DecodeError:
        return
    assert outcome(request) in (200, 400, 413, 422)


CONTENTS = st.builds(
    pb.InferTensorContents,
    bytes_contents=st.lists(st.binary(max_size=4), max_size=3),
    int_contents=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=2),
)
TENSORS = st.builds(
    pb.ModelInferRequest.InferInputTensor,
    name=st.sampled_from(["text", "items", ""]),
    datatype=st.sampled_from(["BYTES", "FP32", *INTEGERS]),
    shape=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3), max_size=9),
    contents=st.none() | CONTENTS,
)


@given(st.lists(TENSORS, max_size=3), st.lists(st.binary(max_size=20), max_size=3))
def test_any_tensors_are_read_or_refused(tensors: list[Any], raw: list[bytes]) -> None:
    assert outcome(pb.ModelInferRequest(inputs=tensors, raw_input_contents=raw)) in (200, 400, 413, 422)


def outcome(request: pb.ModelInferRequest) -> int:
    try:
        read(request)
    except JubakoError as error:
        return error.http_status
    return 200
