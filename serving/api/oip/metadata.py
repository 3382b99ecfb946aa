"""What the server and its models say of themselves; the same for both transports."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from bundle.manifest import Task
from serving.api.oip.signatures import ANY, Port, signatures_of
from serving.api.oip.tensors import BYTES
from serving.core import Core
from serving.model import Served

SERVER_NAME = "jubako"
PLATFORM = "onnxruntime_onnx"
"""As Triton calls the models of this kind."""
EXTENSIONS = ["binary_tensor_data", "model_configuration"]


@dataclass(frozen=True)
class ModelMetadata:
    """What one model takes and gives."""

    name: str
    version: str
    inputs: tuple[Port, ...]
    """Of all its tasks."""
    outputs: tuple[Port, ...]
    """Of the task that it is for, without those that have to be asked for: what a client can request all of."""
    max_batch: int
    """Inputs of one request, where inputs stand in rows; 0: a request is for one person."""


def server_version() -> str:
    """Return the version of this package."""
    try:
        return version("jubako")
    except PackageNotFoundError:  # a Bento runs from its files
        return "0"


def model_metadata(core: Core, model: Served) -> ModelMetadata:
    """Return what a model takes and gives."""
    signatures = signatures_of(model)
    own = signatures[0]
    inputs = {port.name: port for signature in reversed(signatures) for port in signature.inputs}
    ordered = [port.name for signature in signatures for port in signature.inputs]
    return ModelMetadata(
        name=model.manifest.name,
        version=model.manifest.version,
        inputs=tuple(inputs[name] for name in dict.fromkeys(ordered)),
        outputs=tuple(port for port in own.outputs if not port.optional),
        max_batch=0 if own.task is Task.RECOMMEND else core.settings.limits.max_inputs,
    )


def dims_of(metadata: ModelMetadata, port: Port) -> tuple[int, ...]:
    """Return a port's shape in Triton's configuration, where the batch is left out."""
    return port.shape[1:] if metadata.max_batch and port.shape[:1] == (ANY,) else port.shape


def config_datatype(port: Port) -> str:
    """Return a port's datatype as Triton's configuration calls it."""
    return f"TYPE_{'STRING' if port.datatype == BYTES else port.datatype}"
