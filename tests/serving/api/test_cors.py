from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import ValidationError

from serving.access.gate import Gate
from serving.access.keyring import Keyring
from serving.api.front import Front
from serving.core import Core
from serving.settings import Access, Settings
from tests.serving.api.conftest import behind_the_front

SITE = "https://console.example.org"
ASKS = {"origin": SITE, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}


@asynccontextmanager
async def serving(core: Core, settings: Settings, *origins: str) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of a front that needs keys and knows none, with these origins."""
    own = settings.model_copy(update={"access": Access(cors_origins=list(origins))})
    front = Front(behind_the_front, own, Gate(Keyring({}, None)))
    front.core = core
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://test") as client:
        yield client


def of_cors(response: httpx.Response) -> set[str]:
    return {name for name in response.headers if name.startswith("access-control-")}


async def test_without_origins_nothing_is_told_to_browsers(core: Core, settings: Settings) -> None:
    async with serving(core, settings) as client:
        answer = await client.options("/embed", headers=ASKS)
        assert (answer.status_code, of_cors(answer), "vary" in answer.headers) == (401, set(), False)


@pytest.mark.parametrize("path", ["/embed", "/models", "/v2/models/tiny/infer", "/schema.json", "/metrics"])
async def test_a_preflight_is_answered_without_a_key(core: Core, settings: Settings, path: str) -> None:
    async with serving(core, settings, SITE) as client:
        answer = await client.options(path, headers=ASKS)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == SITE
    assert "POST" in answer.headers["access-control-allow-methods"]
    for name in ("authorization", "x-api-key", "content-type", "x-request-timeout-ms"):
        assert name in answer.headers["access-control-allow-headers"].split(", ")
    assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize(("method", "path"), [("GET", "/livez"), ("POST", "/embed"), ("GET", "/nowhere")])
async def test_answers_and_errors_alike_can_be_read(core: Core, settings: Settings, method: str, path: str) -> None:
    async with serving(core, settings, "https://other.example.org", SITE) as client:
        answer = await client.request(method, path, headers={"origin": SITE})
    assert answer.headers["access-control-allow-origin"] == SITE
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "server-timing", "retry-after"} <= set(exposed)


@pytest.mark.parametrize(
    "origin", [f"{SITE}.evil.org", "https://CONSOLE.example.org", "null", "", f"{SITE}/", SITE[8:]]
)
async def test_other_origins_are_told_nothing(core: Core, settings: Settings, origin: str) -> None:
    async with serving(core, settings, SITE) as client:
        preflight = await client.options("/embed", headers={**ASKS, "origin": origin})
        answer = await client.get("/livez", headers={"origin": origin})
    assert (preflight.status_code, of_cors(preflight)) == (401, set())
    assert (answer.status_code, of_cors(answer), answer.headers["vary"]) == (200, set(), "origin")


@pytest.mark.parametrize("origins", [("*",), (SITE,), ("*", SITE)])
async def test_credentials_are_never_allowed(core: Core, settings: Settings, origins: tuple[str, ...]) -> None:
    async with serving(core, settings, *origins) as client:
        for answer in (await client.options("/embed", headers=ASKS), await client.get("/livez", headers=ASKS)):
            assert "access-control-allow-credentials" not in answer.headers
            assert answer.headers["access-control-allow-origin"] == ("*" if "*" in origins else SITE)


async def test_options_that_is_no_preflight_needs_a_key(core: Core, settings: Settings) -> None:
    async with serving(core, settings, SITE) as client:
        answer = await client.options("/embed", headers={"origin": SITE})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "origin", ["example.org", f"{SITE}/", f"{SITE}/path", "https://*.example.org", "null", SITE.upper()]
)
def test_what_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValidationError, match="is no origin"):
        Access(cors_origins=[origin])
