"""Messages of inference over gRPC: tensors in typed fields, or as binary data beside them.

An answer holds its tensors in the way in which the request holds its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serving.api.oip.inference import Inference, Inferred, Parameter
from serving.api.oip.schemas import MAX_TENSORS
from serving.api.oip.tensors import BYTES, INTEGERS, Form, Tensor, from_binary, most_elements, to_binary
from serving.errors import Code, JubakoError
from serving.settings import Limits
from wire._generated import predict_pb2 as pb

FIELDS = {
    BYTES: "bytes_contents", "BOOL": "bool_contents", "FP32": "fp32_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
}  # fmt: skip
"""Where a typed tensor's elements are; the protocol has no field for FP16."""


def read(limits: Limits, request: pb.ModelInferRequest, timeout_ms: float) -> Inference:
    """Return what a request asks for.

    Raises:
        JubakoError: `malformed` when typed and binary tensors are mixed, `invalid_value`, `too_large`.
    """
    if max(len(request.inputs), len(request.outputs)) > MAX_TENSORS:
        raise JubakoError(Code.INVALID_VALUE, f"a request has at most {MAX_TENSORS} tensors each way", param="inputs")
    for given in (*(each.parameters for each in request.inputs), *(each.parameters for each in request.outputs)):
        for key in given:
            message = f"unknown parameter {key[:80]!r} of a tensor; over gRPC tensors have none"
            raise JubakoError(Code.INVALID_VALUE, message, param=key[:80])
    return Inference(
        model=request.model_name,
        version=request.model_version,
        inputs=_tensors(request, most_elements(limits)),
        outputs=[output.name for output in request.outputs],
        parameters=_parameters(request.parameters),
        timeout_ms=timeout_ms,
    )


def write(inferred: Inferred, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
    """Return the answer to a request."""
    manifest = inferred.model.manifest
    typed = any(given.HasField("contents") for given in request.inputs)
    typed = typed and all(tensor.datatype in FIELDS for tensor in inferred.outputs)
    response = pb.ModelInferResponse(model_name=manifest.name, model_version=manifest.version, id=request.id)
    response.parameters["tokens"].int64_param = inferred.tokens
    for tensor in inferred.outputs:
        output = response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if typed:
            elements = tensor.elements if isinstance(tensor.elements, list) else tensor.elements.tolist()
            getattr(output.contents, FIELDS[tensor.datatype]).extend(elements)
        else:
            response.raw_output_contents.append(to_binary(tensor))
    return response


def _tensors(request: pb.ModelInferRequest, most: int) -> list[Tensor]:
    raw: Sequence[bytes] = request.raw_input_contents
    typed = [given.name for given in request.inputs if given.HasField("contents")]
    if raw and typed:
        message = f"{typed[0]} has contents, and there are raw_input_contents; send all tensors in one way"
        raise JubakoError(Code.MALFORMED, message, param=typed[0])
    if raw and len(raw) != len(request.inputs):
        message = f"{len(raw)} raw_input_contents for {len(request.inputs)} inputs; send one for each"
        raise JubakoError(Code.MALFORMED, message, param="raw_input_contents")
    forms = [Form(given.name, given.datatype, tuple(given.shape)) for given in request.inputs]
    if raw:
        return [from_binary(form, each, most) for form, each in zip(forms, raw, strict=True)]
    return [_typed(form, given.contents, most) for form, given in zip(forms, request.inputs, strict=True)]


def _typed(form: Form, contents: pb.InferTensorContents, most: int) -> Tensor:
    form.check(most)
    field = FIELDS[form.datatype]
    for other, _ in contents.ListFields():
        if other.name != field:
            message = f"{form.name} is {form.datatype}, and its elements are in {other.name}; send them in {field}"
            raise JubakoError(Code.INVALID_VALUE, message, param=form.name)
    elements: list[Any] = list(getattr(contents, field))
    if form.datatype == BYTES:
        return form.tensor(elements)
    dtype = INTEGERS[form.datatype]
    bounds = np.iinfo(dtype)
    if elements and not bounds.min <= min(elements) <= max(elements) <= bounds.max:
        message = f"an element of {form.name} is no {form.datatype}; those go from {bounds.min} to {bounds.max}"
        raise JubakoError(Code.INVALID_VALUE, message, param=form.name)
    return form.tensor(np.array(elements, dtype=dtype))


def _parameters(given: Mapping[str, pb.InferParameter]) -> dict[str, Parameter]:
    return {name: _parameter(name, value) for name, value in given.items()}


def _parameter(name: str, value: pb.InferParameter) -> Parameter:
    choice = value.WhichOneof("parameter_choice")
    if choice is None:
        raise JubakoError(Code.INVALID_VALUE, f"parameter {name[:80]!r} has no value; leave it out", param=name[:80])
    parameter: Parameter = getattr(value, choice)
    return parameter
