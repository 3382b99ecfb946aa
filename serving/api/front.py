"""The front: the outermost ASGI application of the service.

BentoML's middleware costs more than a small model does on a GPU, so the routes of the contract are answered here,
before it; metrics, access log and tracing are kept, at the price of what they do. Every other path goes through.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from serving.access.gate import Gate
from serving.api import classify, docs, embed, exposition, models, recommend, scopes
from serving.api.asgi import (
    Answer,
    App,
    Disconnected,
    Headers,
    Message,
    Receive,
    Request,
    Scope,
    Send,
    error_answer,
    find_header,
    read_body,
    send_answer,
)
from serving.api.compression import inflated, shrunk
from serving.api.cors import Cors
from serving.api.observing import CLIENT_LEFT, Observer
from serving.api.oip import http as oip
from serving.api.request_ids import CACHE_CONTROL, answer_headers, request_id
from serving.core import Core
from serving.errors import Code, JubakoError
from serving.releases.splitting import REQUEST_KEY
from serving.settings import Settings
from serving.telemetry.request_context import RequestContext

logger = logging.getLogger("jubako.front")

Handler = Callable[[Core, Request], Awaitable[Answer]]
Teller = Callable[[JubakoError, Headers | None], Answer]


@dataclass(frozen=True)
class Route:
    """One endpoint of the contract."""

    name: str
    """Label in metrics."""
    method: str
    handler: Handler
    tell_error: Teller = error_answer

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods that are answered."""
        return ("GET", "HEAD", "OPTIONS") if self.method == "GET" else (self.method, "OPTIONS")

    @property
    def allow(self) -> tuple[bytes, bytes]:
        """The header that tells them."""
        return b"allow", ", ".join(self.methods).encode()


ROUTES = {
    "/embed": Route("/embed", "POST", embed.embed),
    "/classify": Route("/classify", "POST", classify.classify),
    "/recommend": Route("/recommend", "POST", recommend.recommend),
    "/v1/embeddings": Route("/v1/embeddings", "POST", embed.openai_embeddings),
    "/models": Route("/models", "GET", models.list_models),
    "/livez": Route("/livez", "GET", models.livez),
    "/readyz": Route("/readyz", "GET", models.readyz),
    "/metrics": Route("/metrics", "GET", exposition.metrics),
    "/docs": Route("/docs", "GET", docs.page),
    "/openapi.json": Route("/openapi.json", "GET", docs.openapi),
}
MODEL_ROUTE = Route("/models/{name}", "GET", models.show_model)
OIP_ROUTES = {path: Route(path, method, handler, oip.tell_error) for path, (method, handler) in oip.ENDPOINTS.items()}
"""The open inference protocol, which tells errors in a shape of its own."""


class Front:
    """Answers the contract's routes and passes everything else on."""

    def __init__(self, inner: App, settings: Settings, gate: Gate | None = None) -> None:
        """Take what answers all else, and the gate; without one everybody is let in."""
        self.core: Core | None = None
        """Set once the service has loaded its models; until then requests get 503."""
        self._inner = inner
        self._limits = settings.limits
        self._gate = gate or Gate()
        self._cors = Cors(settings.access.cors_origins)
        self._observer = Observer(settings.observability, "http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] == "websocket" and self._gate.needs_keys:  # there are none to be served
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        own_id = request_id(scope["headers"])
        REQUEST_KEY.set(own_id.decode())
        told = [*answer_headers(own_id), *self._cors.told(scope["headers"])]
        path = scope["path"].removesuffix("/")
        route = _route(path)
        name = UNKNOWN_ROUTE if route is None else route.name
        preflight = self._cors.preflight(scope)
        refusal = None if preflight is not None else self._refusal(path, name, scope["headers"])
        if route is None and preflight is None and refusal is None:
            await self._pass_on(scope, receive, send, own_id, told)
            return
        method = scope["method"]
        context = self._observer.received(method, name, scope["headers"], own_id)
        status, sent_bytes = TOLD_TO_GO, 0
        try:
            if refusal is not None:
                context.code = refusal.code
                answer = oip.teller(path)(refusal, None)
            elif preflight is not None or route is None:
                assert preflight is not None
                answer = preflight
            else:
                answer = await self._answer(context, route, path, scope, receive)
            status, sent_bytes = answer.status, len(answer.body)
            await send_answer(send, answer, told, with_body=method != "HEAD")
        except Disconnected:
            status, context.code = CLIENT_LEFT, Code.CANCELLED
        except asyncio.CancelledError:
            context.code = Code.NOT_READY
            raise
        finally:
            self._observer.answered(context, method, name, path, status, sent_bytes)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, own_id: bytes, told: Headers) -> None:
        """Have BentoML answer; what it does not answer is written down here, the rest by itself."""
        method, path = scope["method"], scope["path"]

        async def refuse(error: JubakoError, headers: Headers | None) -> None:
            context = self._observer.received(method, UNKNOWN_ROUTE, scope["headers"], own_id)
            context.code = error.code
            answer = oip.teller(path)(error, headers)
            await send_answer(send, answer, told, with_body=method != "HEAD")
            self._observer.answered(context, method, UNKNOWN_ROUTE, path, answer.status, len(answer.body))

        await self._inner(scope, receive, _passing_on(scope, send, told, refuse))

    def _refusal(self, path: str, name: str, headers: Headers) -> JubakoError | None:
        """Return why a caller may not ask this; None: they may."""
        if not self._gate.needs_keys:
            return None
        endpoints = (
            self._gate.of_metrics if path == METRICS_PATH else scopes.of_route(path if name == UNKNOWN_ROUTE else name)
        )
        try:
            self._gate.admit_headers(endpoints, headers)
        except JubakoError as error:
            return error
        return None

    async def _answer(self, context: RequestContext, route: Route, path: str, scope: Scope, receive: Receive) -> Answer:
        method, headers, limits = scope["method"], scope["headers"], self._limits
        try:
            if method != route.method and method not in route.methods:
                context.code = Code.WRONG_METHOD
                error = JubakoError(context.code, f"{route.name} takes {route.method}, not {method}")
                return route.tell_error(error, [route.allow])
            if method == "OPTIONS":
                return Answer(b"", 204, headers=[route.allow])
            if self.core is None:
                raise JubakoError(Code.NOT_READY, "the models are being loaded", retry_after_s=1)
            body = await read_body(headers, receive, limits.max_body_bytes, limits.body_ms / 1000)
            coding = find_header(headers, b"content-encoding")
            if coding is not None:
                body = await inflated(body, coding, limits.max_body_bytes)
            request = Request(path, headers, body)
            answer = await _while_connected(route.handler(self.core, request), receive)
            return await shrunk(answer, headers, limits.compress_min_bytes)
        except JubakoError as error:
            context.code = error.code
            return route.tell_error(error, None)
        except Disconnected:
            raise
        except Exception:
            logger.exception("%s failed", route.name)
            context.code = Code.FAILED
            failure = JubakoError(context.code, "an internal error; the server's log has its trace")
            return route.tell_error(failure, None)


UNKNOWN_ROUTE = "unknown"
"""Label in metrics for every path that is not served, so that labels stay few."""
METRICS_PATH = "/metrics"
POLICY_VIOLATION = 1008
"""The code with which a websocket is closed (RFC 6455, 7.4.1)."""
TOLD_TO_GO = 503
"""Status of a request that the end of the server cut short: `serving/api/accepted.py` answers it."""


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


def _passing_on(
    scope: Scope, send: Send, common: Headers, refuse: Callable[[JubakoError, Headers | None], Awaitable[None]]
) -> Send:
    """Return a `send` for an answer of BentoML's: it gets our headers, a 404 and a 405 the contract's error."""
    told = False

    async def passing(message: Message) -> None:
        nonlocal told
        if message["type"] == "http.response.start":
            if message["status"] in (404, 405):
                told = True
                await refuse(*_other_error(scope, message["status"], message.get("headers", ())))
                return
            ours = [header for header in common if header != CACHE_CONTROL]  # what BentoML says of caching holds
            message["headers"] = [*message.get("headers", ()), *ours]
        if not told:
            await send(message)

    return passing


def _other_error(
    scope: Scope, status: int, headers: Iterable[tuple[bytes, bytes]]
) -> tuple[JubakoError, Headers | None]:
    path = scope["path"]
    if status == 405:
        allow = [(name, value) for name, value in headers if name == b"allow"]
        return JubakoError(Code.WRONG_METHOD, f"{path} does not take {scope['method']}"), allow
    return JubakoError(Code.UNKNOWN_PATH, f"nothing is served at {path!r}; /docs lists what is"), None


def _route(path: str) -> Route | None:
    route = ROUTES.get(path)
    if route is None and path.startswith(models.MODELS_PATH):
        return MODEL_ROUTE
    if route is None and path.startswith(oip.ROOT):
        return OIP_ROUTES.get(oip.template(path))
    return route
