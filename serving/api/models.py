"""`GET /models`, `GET /models/{name}`, `/livez` and `/readyz`."""

from serving.api.asgi import Answer, Request, json_answer
from serving.core import Core
from serving.text_model import TextModel

MODELS_PATH = "/models/"


async def list_models(core: Core, request: Request) -> Answer:
    """Answer `GET /models`: what is loaded, in short."""
    return json_answer({"models": [_summary(model) for model in core.models.values()]})


async def show_model(core: Core, request: Request) -> Answer:
    """Answer `GET /models/{name}`: the manifest of the active version.

    Raises:
        JubakoError: `unknown_model`.
    """
    name = request.path.removeprefix(MODELS_PATH)
    if name not in core.models:
        raise core.unknown_model(name)
    model = core.models[name]
    return json_answer({**_summary(model), "manifest": model.manifest.model_dump(mode="json")})


async def livez(core: Core, request: Request) -> Answer:
    """Answer `GET /livez`: the event loop turns. It touches nothing else, so load cannot make it fail."""
    return json_answer({"status": "alive"})


async def readyz(core: Core, request: Request) -> Answer:
    """Answer `GET /readyz`: every model has computed something lately.

    Raises:
        JubakoError: `not_ready`.
    """
    await core.check_ready()
    return json_answer(
        {"status": "ready", "models": {name: model.manifest.version for name, model in core.models.items()}}
    )


def _summary(model: TextModel) -> dict[str, object]:
    manifest = model.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "family": manifest.family,
        "tasks": manifest.tasks,
        "dimensions": manifest.dimensions,
        "max_tokens": manifest.max_tokens,
        "prompts": sorted(manifest.prompts),
        "graph": model.placement.graph,
        "device": model.placement.device,
    }
