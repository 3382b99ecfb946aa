"""The service that `bentoml serve` finds. Wiring only: rooms are elsewhere."""

from typing import Any

import bentoml

from serving.access.exposure import check_access, http_host, located
from serving.api.classify import classify_payload, classify_query
from serving.api.embed import embed_payload, embed_query
from serving.api.recommend import recommend_payload, recommend_query
from serving.api.recommend_schemas import RecommendBody
from serving.api.rpc.server import check_port
from serving.api.schemas import ClassifyBody, EmbedBody
from serving.service import check_bundles, jubako_service, load_core
from serving.settings import Settings
from serving.telemetry.logs import join_server_log
from serving.worker.supervising import watch_signals

SETTINGS = Settings()


@jubako_service(SETTINGS)
class Jubako:
    """Embeds, classifies and recommends with exported ONNX graphs."""

    def __init__(self) -> None:
        self.core = load_core(SETTINGS, Jubako)

    @bentoml.api
    async def embed(
        self,
        inputs: list[str | dict[str, Any]],
        model: str | None = None,
        prompt: str | None = None,
        dimensions: int | None = None,
        normalize: bool | None = None,
        encoding_format: str = "float",
        output_dtype: str = "float32",
        truncate: bool = True,
    ) -> dict[str, Any]:
        """Embed texts, or items and people; the contract of `POST /embed`."""
        asked = {
            "inputs": inputs, "model": model, "prompt": prompt, "dimensions": dimensions, "normalize": normalize,
            "encoding_format": encoding_format, "output_dtype": output_dtype, "truncate": truncate,
        }  # fmt: skip
        query = embed_query(EmbedBody.model_validate(asked))
        return embed_payload(await self.core.embed(query), query.form)

    @bentoml.api
    async def classify(
        self,
        inputs: list[str | dict[str, Any]],
        model: str | None = None,
        top_k: int | None = None,
        threshold: float | None = None,
        candidate_labels: list[str] | None = None,
        truncate: bool = True,
    ) -> dict[str, Any]:
        """Classify texts or records; the contract of `POST /classify`."""
        asked = {
            "inputs": inputs, "model": model, "top_k": top_k, "threshold": threshold,
            "candidate_labels": candidate_labels, "truncate": truncate,
        }  # fmt: skip
        return classify_payload(await self.core.classify(classify_query(ClassifyBody.model_validate(asked))))

    @bentoml.api
    async def recommend(
        self,
        model: str | None = None,
        user: dict[str, Any] | None = None,
        items: list[str | int | dict[str, Any]] | None = None,
        record: dict[str, Any] | None = None,
        k: int = 10,
        exclude: list[str | int] | None = None,
        exclude_seen: bool = True,
        filters: dict[str, Any] | None = None,
        diversity: float | None = None,
        explain: bool = False,
    ) -> dict[str, Any]:
        """Recommend items to a person, or like items; the contract of `POST /recommend`."""
        asked = {
            "model": model, "user": user, "items": items, "record": record, "k": k, "exclude": exclude,
            "exclude_seen": exclude_seen, "filters": filters, "diversity": diversity, "explain": explain,
        }  # fmt: skip
        return recommend_payload(await self.core.recommend(recommend_query(RecommendBody.model_validate(asked))))

    @bentoml.on_deployment
    def check() -> None:
        """Refuse to start open to strangers, with a bundle that cannot be trusted or a port that is taken."""
        join_server_log(SETTINGS.observability)
        check_access(SETTINGS, http_host())
        check_bundles(SETTINGS, Jubako)
        check_port(located(SETTINGS))
        watch_signals()

    @bentoml.on_shutdown
    def close(self) -> None:
        """Let running work end and free the models."""
        self.core.close()
