"""The protocol's endpoints over HTTP."""

from collections.abc import Callable

from serving.api.asgi import Answer, Headers, Request, error_answer, json_answer
from serving.api.oip.bodies import read, write
from serving.api.oip.inference import infer, served
from serving.api.oip.metadata import (
    EXTENSIONS,
    PLATFORM,
    SERVER_NAME,
    ModelMetadata,
    config_datatype,
    dims_of,
    model_metadata,
    server_version,
)
from serving.api.oip.signatures import Port
from serving.core import Core
from serving.errors import JubakoError

ROOT = "/v2"
MODELS = "/v2/models/"
MODEL_PATHS = ("{name}", "{name}/versions/{version}")


def template(path: str) -> str:
    """Return a path with what names a model or a version in braces, which is the name of its route if it has one."""
    if not path.startswith(MODELS):
        return path
    parts = path.removeprefix(MODELS).split("/")
    if not all(parts):
        return path
    versioned = len(parts) > 2 and parts[1] == "versions"
    return MODELS + "/".join([MODEL_PATHS[versioned], *parts[3 if versioned else 1 :]])


def tell_error(error: JubakoError, headers: Headers | None = None) -> Answer:
    """Return the answer for an error in the protocol's words; status and Retry-After are those of the contract."""
    told = f"{error.code}: {error.message}"
    if error.param is not None and error.param not in error.message:
        told = f"{told} ({error.param})"
    answer = error_answer(error, headers)
    return json_answer({"error": told}, answer.status, answer.headers)


def teller(path: str) -> Callable[[JubakoError, Headers | None], Answer]:
    """Return what tells an error at a path: in the protocol's words below its root, elsewhere in the contract's."""
    return tell_error if path.startswith(ROOT) else error_answer


async def server(core: Core, request: Request) -> Answer:
    """Answer `GET /v2`."""
    return json_answer({"name": SERVER_NAME, "version": server_version(), "extensions": EXTENSIONS})


async def live(core: Core, request: Request) -> Answer:
    """Answer `GET /v2/health/live`."""
    return json_answer({"live": True})


async def ready(core: Core, request: Request) -> Answer:
    """Answer `GET /v2/health/ready`: every model has computed something lately.

    Raises:
        JubakoError: `not_ready`.
    """
    await core.check_ready()
    return json_answer({"ready": True})


async def model_ready(core: Core, request: Request) -> Answer:
    """Answer `GET /v2/models/{name}/ready`: this model has computed something lately.

    Raises:
        JubakoError: `unknown_model` or `not_ready`.
    """
    model = served(core, *_name_and_version(request.path))
    await core.check_model(model.manifest.name)
    return json_answer({"name": model.manifest.name, "ready": True})


async def show_model(core: Core, request: Request) -> Answer:
    """Answer `GET /v2/models/{name}`: the tensors that a model takes and gives.

    Raises:
        JubakoError: `unknown_model`.
    """
    metadata = model_metadata(core, served(core, *_name_and_version(request.path)))
    return json_answer(
        {
            "name": metadata.name,
            "versions": [metadata.version],
            "platform": PLATFORM,
            "inputs": [_port(port) for port in metadata.inputs],
            "outputs": [_port(port) for port in metadata.outputs],
        }
    )


async def show_config(core: Core, request: Request) -> Answer:
    """Answer `GET /v2/models/{name}/config`: of Triton's configuration what load generators read.

    Raises:
        JubakoError: `unknown_model`.
    """
    metadata = model_metadata(core, served(core, *_name_and_version(request.path)))
    config = {
        "name": metadata.name,
        "platform": PLATFORM,
        "max_batch_size": metadata.max_batch,
        "input": [{**_config(metadata, port), "optional": port.optional} for port in metadata.inputs],
        "output": [_config(metadata, port) for port in metadata.outputs],
    }
    return json_answer(config)


async def infer_model(core: Core, request: Request) -> Answer:
    """Answer `POST /v2/models/{name}/infer`.

    Raises:
        JubakoError: see `inference.infer` and `bodies.read`.
    """
    name, version = _name_and_version(request.path)
    asked, form = read(core.settings.limits, request, name, version)
    return write(await infer(core, asked), form)


def _name_and_version(path: str) -> tuple[str, str]:
    parts = path.removeprefix(MODELS).split("/")
    return parts[0], parts[2] if len(parts) > 2 else ""


def _port(port: Port) -> dict[str, object]:
    return {"name": port.name, "datatype": port.datatype, "shape": port.shape}


def _config(metadata: ModelMetadata, port: Port) -> dict[str, object]:
    return {"name": port.name, "data_type": config_datatype(port), "dims": dims_of(metadata, port)}


ENDPOINTS = {
    ROOT: ("GET", server),
    f"{ROOT}/health/live": ("GET", live),
    f"{ROOT}/health/ready": ("GET", ready),
    **{
        f"{MODELS}{path}{ending}": endpoint
        for path in MODEL_PATHS
        for ending, endpoint in {
            "": ("GET", show_model),
            "/ready": ("GET", model_ready),
            "/config": ("GET", show_config),
            "/infer": ("POST", infer_model),
        }.items()
    },
}
"""Method and handler of each route."""
