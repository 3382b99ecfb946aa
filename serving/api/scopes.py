"""What each route and each method is for: what a caller's key has to be for.

Whatever is not in a table needs a key for the documentation, so that nothing is open by being forgotten.
"""

from serving.access.gate import COMPUTING, OPEN
from serving.access.records import Endpoint

Endpoints = frozenset[Endpoint]

EMBED, CLASSIFY, RECOMMEND, MODELS, METRICS, DOCS = (
    frozenset({endpoint})
    for endpoint in (
        Endpoint.EMBED, Endpoint.CLASSIFY, Endpoint.RECOMMEND, Endpoint.MODELS, Endpoint.METRICS, Endpoint.DOCS
    )
)  # fmt: skip

OF_ROUTE: dict[str, Endpoints] = {
    "/livez": OPEN,
    "/readyz": OPEN,
    "/healthz": OPEN,
    "/v2/health/live": OPEN,
    "/v2/health/ready": OPEN,
    "/embed": EMBED,
    "/v1/embeddings": EMBED,
    "/classify": CLASSIFY,
    "/recommend": RECOMMEND,
    "/models": MODELS,
    "/models/{name}": MODELS,
    "/metrics": METRICS,  # where the settings say so
    "/v2": MODELS,
    **{
        f"/v2/models/{model}{ending}": endpoints
        for model in ("{name}", "{name}/versions/{version}")
        for ending, endpoints in {"": MODELS, "/ready": MODELS, "/config": MODELS, "/infer": COMPUTING}.items()
    },
}
"""By the name of the route, for BentoML's own the path."""

HEALTH = "/grpc.health.v1.Health/"
ENCODER = "/jubako.v1.Encoder/"
INFERENCE = "/inference.GRPCInferenceService/"
OF_METHOD: dict[str, Endpoints] = {
    f"{HEALTH}Check": OPEN,
    f"{HEALTH}Watch": OPEN,
    f"{ENCODER}Embed": EMBED,
    f"{ENCODER}EmbedStream": EMBED,
    f"{ENCODER}Classify": CLASSIFY,
    f"{ENCODER}Recommend": RECOMMEND,
    f"{ENCODER}ListModels": MODELS,
    f"{INFERENCE}ServerLive": OPEN,
    f"{INFERENCE}ServerReady": OPEN,
    f"{INFERENCE}ServerMetadata": MODELS,
    f"{INFERENCE}ModelReady": MODELS,
    f"{INFERENCE}ModelMetadata": MODELS,
    f"{INFERENCE}ModelConfig": MODELS,
    f"{INFERENCE}ModelInfer": COMPUTING,
}
"""By `/service/method`."""


def of_route(name: str) -> Endpoints:
    """Return what an HTTP route is for."""
    return OF_ROUTE.get(name, DOCS)


def of_method(path: str) -> Endpoints:
    """Return what a gRPC method is for."""
    return OF_METHOD.get(path, DOCS)
