"""The front: the outermost ASGI application of the service.

BentoML's middleware costs more than a small model does on a GPU, so the routes of the contract are answered here,
before it; metrics, access log and tracing are kept, at the price of what they do. Every other path goes through.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter

from serving.api import classify, docs, embed, models, recommend
from serving.api.access_log import AccessLog
from serving.api.asgi import (
    Answer,
    App,
    Disconnected,
    Message,
    Receive,
    Request,
    Scope,
    Send,
    error_answer,
    read_body,
    send_answer,
)
from serving.api.tracing import Tracing
from serving.core import Core
from serving.errors import Code, JubakoError
from serving.metrics import RequestMetrics
from serving.settings import Settings

logger = logging.getLogger("jubako.front")

Handler = Callable[[Core, Request], Awaitable[Answer]]


@dataclass(frozen=True)
class Route:
    """One endpoint of the contract."""

    name: str
    """Label in metrics."""
    method: str
    handler: Handler


ROUTES = {
    "/embed": Route("/embed", "POST", embed.embed),
    "/classify": Route("/classify", "POST", classify.classify),
    "/recommend": Route("/recommend", "POST", recommend.recommend),
    "/v1/embeddings": Route("/v1/embeddings", "POST", embed.openai_embeddings),
    "/models": Route("/models", "GET", models.list_models),
    "/livez": Route("/livez", "GET", models.livez),
    "/readyz": Route("/readyz", "GET", models.readyz),
    "/docs": Route("/docs", "GET", docs.page),
    "/openapi.json": Route("/openapi.json", "GET", docs.openapi),
}
MODEL_ROUTE = Route("/models/{name}", "GET", models.show_model)


class Front:
    """Answers the contract's routes and passes everything else on."""

    def __init__(self, inner: App, settings: Settings) -> None:
        self.core: Core | None = None
        """Set once the service has loaded its models; until then requests get 503."""
        self._inner = inner
        self._limits = settings.limits
        self._log = AccessLog(settings.observability)
        self._metrics = RequestMetrics()
        self._tracing = Tracing.from_bentoml()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        route = _route(scope["path"]) if scope["type"] == "http" else None
        if route is None:
            await self._inner(scope, receive, _telling_unknown_paths(scope, send))
            return
        begin = perf_counter()
        try:
            answer = await self._answer(route, scope, receive)
        except Disconnected:
            self._metrics.answered(route.name, CLIENT_LEFT, perf_counter() - begin)
            return
        await send_answer(send, answer)
        seconds = perf_counter() - begin
        self._metrics.answered(route.name, answer.status, seconds)
        self._tracing.answered(route.method, route.name, scope["headers"], answer.status, seconds)
        self._log.answered(route.method, scope["path"], answer.status, seconds, len(answer.body))

    async def _answer(self, route: Route, scope: Scope, receive: Receive) -> Answer:
        try:
            if scope["method"] != route.method and not (scope["method"] == "HEAD" and route.method == "GET"):
                error = JubakoError(Code.WRONG_METHOD, f"{route.name} takes {route.method}, not {scope['method']}")
                return error_answer(error, [(b"allow", route.method.encode())])
            if self.core is None:
                raise JubakoError(Code.NOT_READY, "the models are being loaded", retry_after_s=1)
            body = await read_body(scope["headers"], receive, self._limits.max_body_bytes)
            request = Request(scope["path"], scope["headers"], body)
            return await _while_connected(route.handler(self.core, request), receive)
        except JubakoError as error:
            return error_answer(error)
        except Disconnected:
            raise
        except Exception:
            logger.exception("%s failed", route.name)
            return error_answer(JubakoError(Code.FAILED, "an internal error; the server's log has its trace"))


CLIENT_LEFT = 499
"""Status in metrics for a request whose client did not wait."""


async def _while_connected(work: Awaitable[Answer], receive: Receive) -> Answer:
    """Await an answer, and cancel the work when the client leaves before it is ready.

    Raises:
        Disconnected: the client has left.
    """
    task = asyncio.current_task()
    assert task is not None
    left = False

    async def watch() -> None:
        nonlocal left
        await receive()  # after the body, the only message that can come is http.disconnect
        left = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if not left:
            raise
        task.uncancel()
        raise Disconnected from None
    finally:
        watcher.cancel()


def _telling_unknown_paths(scope: Scope, send: Send) -> Send:
    """Return a `send` that puts the contract's error in place of the bare 404 of a path that BentoML does not know."""
    unknown = False

    async def telling(message: Message) -> None:
        nonlocal unknown
        if message["type"] == "http.response.start" and message["status"] == 404:
            unknown = True
            error = JubakoError(Code.UNKNOWN_PATH, f"nothing is served at {scope['path']!r}; /docs lists what is")
            await send_answer(send, error_answer(error))
        elif not unknown:
            await send(message)

    return telling


def _route(path: str) -> Route | None:
    route = ROUTES.get(path)
    if route is None and path.startswith(models.MODELS_PATH):
        return MODEL_ROUTE
    return route
