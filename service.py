"""The service that `bentoml serve` finds. Wiring only: rooms are elsewhere."""

from typing import Any

import bentoml

from serving.api.embed import embed_payload, embed_query
from serving.api.schemas import EmbedBody
from serving.service import check_bundles, jubako_service, load_core
from serving.settings import Settings

SETTINGS = Settings()


@jubako_service(SETTINGS)
class Jubako:
    """Embeds texts with exported ONNX graphs."""

    def __init__(self) -> None:
        self.core = load_core(SETTINGS, Jubako)

    @bentoml.api
    async def embed(
        self,
        inputs: list[str],
        model: str | None = None,
        prompt: str | None = None,
        dimensions: int | None = None,
        normalize: bool | None = None,
        encoding_format: str = "float",
        output_dtype: str = "float32",
        truncate: bool = True,
    ) -> dict[str, Any]:
        """Embed texts; the contract of `POST /embed`."""
        asked = {
            "inputs": inputs,
            "model": model,
            "prompt": prompt,
            "dimensions": dimensions,
            "normalize": normalize,
            "encoding_format": encoding_format,
            "output_dtype": output_dtype,
            "truncate": truncate,
        }
        query = embed_query(EmbedBody.model_validate(asked))
        return embed_payload(await self.core.embed(query), query.form)

    @bentoml.on_deployment
    def check() -> None:
        """Refuse to start with a bundle that cannot be trusted, before any worker does."""
        check_bundles(SETTINGS, Jubako)

    @bentoml.on_shutdown
    def close(self) -> None:
        """Let running work end and free the models."""
        self.core.close()
