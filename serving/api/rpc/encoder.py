"""The service `jubako.v1.Encoder`: what HTTP answers at `/embed`, `/classify`, `/recommend` and `/models`."""

from typing import Any

from serving.access.caller import usable
from serving.api.classify import classify_query
from serving.api.embed import embed_query
from serving.api.models import summary
from serving.api.recommend import recommend_query
from serving.api.rpc.call import Call
from serving.api.rpc.reading import classify_body, embed_body, recommend_body
from serving.api.rpc.standing import Room, Standing
from serving.api.rpc.stream import EmbedStream
from serving.api.rpc.writing import classify_response, fill_embed, recommend_response
from serving.settings import Settings
from wire._generated import encoder_pb2 as pb


class Encoder:
    """Parses, calls the core, formats."""

    def __init__(self, standing: Standing, settings: Settings) -> None:
        self._standing = standing
        self._settings = settings
        self._deadline_ms = settings.limits.deadline_ms
        self._streams = Room(settings.grpc.max_streams, "streams")

    async def Embed(self, request: pb.EmbedRequest, call: Call[pb.EmbedRequest]) -> pb.EmbedResponse:
        """Return vectors of texts, records, items or people."""
        core = self._standing.core
        query = embed_query(embed_body(request, request.options), call.timeout_ms(self._deadline_ms))
        answer = await core.embed(query)
        call.took(answer.result)
        return fill_embed(pb.EmbedResponse(), answer, query.form)

    async def EmbedStream(self, call: Call[pb.EmbedStreamRequest]) -> None:
        """Answer many embed requests."""
        self._standing.core  # noqa: B018  # loading is told to the whole stream
        with self._streams:
            await EmbedStream(call, self._standing, self._settings).run()

    async def Classify(self, request: pb.ClassifyRequest, call: Call[pb.ClassifyRequest]) -> pb.ClassifyResponse:
        """Return labels of texts or records."""
        core = self._standing.core
        query = classify_query(classify_body(request), call.timeout_ms(self._deadline_ms))
        answer = await core.classify(query)
        call.took(answer.classified.result)
        return classify_response(answer)

    async def Recommend(self, request: pb.RecommendRequest, call: Call[pb.RecommendRequest]) -> pb.RecommendResponse:
        """Return items for a person, or like other items."""
        core = self._standing.core
        query = recommend_query(recommend_body(request), call.timeout_ms(self._deadline_ms))
        answer = await core.recommend(query)
        call.took(answer.recommended.spent)
        return recommend_response(answer)

    async def ListModels(
        self, request: pb.ListModelsRequest, call: Call[pb.ListModelsRequest]
    ) -> pb.ListModelsResponse:
        """Return what is loaded, as `GET /models` tells it."""
        response = pb.ListModelsResponse()
        for release in usable(self._standing.core.releases).values():
            told: Any = summary(release)
            response.models.add().update(told)
        return response
