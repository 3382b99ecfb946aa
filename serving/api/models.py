"""`GET /models`, `GET /models/{name}`, `/livez` and `/readyz`."""

from serving.access.caller import named, usable
from serving.api.asgi import Answer, Request, json_answer
from serving.classifier_model import ClassifierModel
from serving.core import Core
from serving.model import Served
from serving.recommender.model import RecommenderModel
from serving.releases.versions import Release

MODELS_PATH = "/models/"


async def list_models(core: Core, request: Request) -> Answer:
    """Answer `GET /models`: what is loaded, in short."""
    return json_answer({"models": [summary(release) for release in usable(core.releases).values()]})


async def show_model(core: Core, request: Request) -> Answer:
    """Answer `GET /models/{name}`: the manifest of the active version and what else is of use to callers.

    Raises:
        JubakoError: `unknown_model` or `forbidden`.
    """
    name = request.path.removeprefix(MODELS_PATH)
    if name not in named(core.releases, name):
        raise core.unknown_model(name)
    release = core.releases[name]
    model = release.active.model
    manifest = model.manifest.model_dump(mode="json")
    return json_answer({**summary(release), **_particulars(model), "manifest": manifest})


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
        {"status": "ready", "models": {name: model.manifest.version for name, model in usable(core.models).items()}}
    )


def summary(release: Release) -> dict[str, object]:
    """Return what is told of a model in a list of models: its active version, and which others there are."""
    model = release.active.model
    manifest = model.manifest
    data = manifest.training_data
    return {
        "name": manifest.name,
        "version": manifest.version,
        "family": manifest.family,
        "tasks": manifest.tasks,
        "record": manifest.record,
        "dimensions": manifest.dimensions,
        "matryoshka": manifest.matryoshka,
        "labels": len(model.labels.labels) if isinstance(model, ClassifierModel) else None,
        "items": len(model.catalogue) if isinstance(model, RecommenderModel) else None,
        "max_tokens": manifest.max_tokens,
        "prompts": sorted(manifest.prompts),
        "training_data": data and data.model_dump(mode="json"),
        "metrics": [metric.model_dump(mode="json") for metric in manifest.metrics],
        "graph": model.placement.graph,
        "device": model.placement.device,
        "release": release.status(),
    }


def _particulars(model: Served) -> dict[str, object]:
    """Return a classifier's labels, and what a recommender's requests may name."""
    if isinstance(model, ClassifierModel):
        return {"label_set": model.labels.model_dump(mode="json")}
    if isinstance(model, RecommenderModel):
        return {"attributes": model.attributes, "filters": model.catalogue.fields}
    return {}
