"""The shapes of the protocol over HTTP."""

from typing import Annotated, Any

from pydantic import Field
from pydantic.config import JsonDict

from serving.api.schemas import Body, Shape

Parameters = dict[str, bool | int | float | str]
Size = Annotated[int, Field(strict=True)]

ELEMENTS: JsonDict = {"type": "array", "items": {}, "description": "Flat or nested as the shape is."}
MAX_TENSORS = 16


class InferInput(Body):
    """One tensor of a request."""

    name: str
    shape: list[Size]
    datatype: str
    """`BYTES` for texts, JSON and ids; ids may be integers, too."""
    parameters: Parameters | None = None
    """`binary_data_size`: bytes of the tensor after the JSON, in place of `data`."""
    data: list[Any] | None = Field(None, json_schema_extra=ELEMENTS)


class InferOutput(Body):
    """A tensor to answer with."""

    name: str
    parameters: Parameters | None = None
    """`binary_data`: whether it comes after the JSON."""


class InferBody(Body):
    """`POST /v2/models/{name}/infer`."""

    id: str | None = None
    """Comes back with the answer."""
    model_name: str | None = None
    """KServe's client says the name here, too."""
    model_version: str | None = None
    parameters: Parameters | None = None
    """Options of the task, `task` itself, `timeout` in microseconds, and `binary_data_output`: whether all outputs come
    after the JSON."""
    inputs: list[InferInput] = Field(max_length=MAX_TENSORS)
    outputs: list[InferOutput] | None = Field(None, max_length=MAX_TENSORS)
    """Without any, all."""


class InferredTensor(Shape):
    """One tensor of an answer."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: Parameters | None = None
    """`binary_data_size`, where the tensor comes after the JSON."""


class InferShape(Shape):
    """Answer to an inference request."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: Parameters
    """`tokens`: what the request cost."""
    outputs: list[InferredTensor]


class ServerShape(Shape):
    """Answer to `GET /v2`."""

    name: str
    version: str
    extensions: list[str]


class TensorShape(Shape):
    """One input or output of a model; -1 is a size that the request decides."""

    name: str
    datatype: str
    shape: list[int]


class ModelShape(Shape):
    """Answer to `GET /v2/models/{name}`."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorShape]
    outputs: list[TensorShape]


class ConfigTensor(Shape):
    """One input or output in Triton's configuration; without the batch where there is one."""

    name: str
    data_type: str
    dims: list[int]
    optional: bool | None = None


class ModelConfigShape(Shape):
    """Answer to `GET /v2/models/{name}/config`."""

    name: str
    platform: str
    max_batch_size: int
    """0: a request is not a batch."""
    input: list[ConfigTensor]
    output: list[ConfigTensor]


class LiveShape(Shape):
    """Answer to `GET /v2/health/live`."""

    live: bool


class ReadyShape(Shape):
    """Answer to `GET /v2/health/ready` and, with the model's name, `GET /v2/models/{name}/ready`."""

    ready: bool
    name: str | None = None


class OipError(Shape):
    """Every answer of this protocol that is not a success."""

    error: str
    """`<code>: <message>`, with a code of the contract."""
