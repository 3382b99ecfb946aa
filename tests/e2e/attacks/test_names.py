"""Names, headers and ids that want to be something else: paths, other headers, lines of a log."""

import re
from typing import Any

import grpc
import httpx
import pytest

from tests.e2e.attacks.raw import exchanged, request, statuses
from tests.e2e.conftest import Guarded
from wire._generated import encoder_pb2 as pb

PASSWD = "/etc/passwd"
TRAVERSALS = [
    f"../../../..{PASSWD}", f"..%2f..%2f..%2f..{PASSWD}", "%2e%2e/%2e%2e/etc/passwd", f"..\\..\\..{PASSWD}", PASSWD,
    f"....//....//{PASSWD}",
    "..%c0%af..%c0%afetc/passwd", "tiny/../../../manifest.json", "tiny%00.json", "..", ".", "~root",
    "file:///etc/passwd", "tiny:1/../../x", "%252e%252e%252fetc%252fpasswd",
]  # fmt: skip
INJECTED = "set-cookie: harm=1"


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_name_leads_out_of_the_models(client: httpx.Client, guarded: Guarded, stub: Any, name: str) -> None:
    line = f"GET /models/{name} HTTP/1.1".encode()
    raw = [exchanged(guarded, request(guarded, b"connection: close", line=line.replace(b"/models/", root)))
           for root in (b"/models/", b"/v2/models/", b"/static_content/", b"/")]  # fmt: skip
    asked = [
        client.post("/embed", json={"model": name, "inputs": ["a"]}),
        client.post("/recommend", json={"model": name}),
        client.post("/v2/models/tiny/infer", json={"model_name": name, "inputs": []}),
        client.post("/v2/models/tiny/infer", json={"model_version": name, "inputs": []}),
    ]
    for answer in asked:
        assert answer.status_code in (404, 422), answer.text
    for answers in raw:
        assert set(statuses(answers)) <= {400, 401, 404}, answers
        assert b"root:" not in answers
        assert b'"manifest"' not in answers
    with pytest.raises(grpc.RpcError) as caught:
        stub.Embed(
            pb.EmbedRequest(inputs=[pb.Input(text="a")], options=pb.EmbedOptions(model=name)),
            metadata=list(guarded.bearer("all").items()),
        )
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


BREAKS = {
    "crlf": b"\r\n",
    "lf": b"\n",
    "cr": b"\r",
    "null": b"\0",
    "folded": b"\r\n ",
    "utf-8": "\u560d\u560a".encode(),
}


@pytest.mark.parametrize("name", [b"x-request-id", b"traceparent", b"tracestate", b"origin", b"x-request-timeout-ms"])
@pytest.mark.parametrize("between", BREAKS.values(), ids=list(BREAKS))
def test_no_header_makes_another_one(guarded: Guarded, name: bytes, between: bytes) -> None:
    value = b"order" + between + INJECTED.encode()
    answer = exchanged(guarded, request(guarded, name + b": " + value, b"connection: close"))
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert INJECTED.encode() not in head
    assert statuses(answer)[:1] in ([200], [400], [422])


@pytest.mark.parametrize("between", ["\r\n", "\n", "\r", "\u2028", "\x1b[2J", "\0"], ids=repr)
def test_what_is_echoed_in_an_error_stays_in_it_and_out_of_the_log(
    client: httpx.Client, guarded: Guarded, stub: Any, between: str
) -> None:
    harm = f"bookz{between}{INJECTED}{between}FORGED line"
    answers = [
        client.post("/embed", json={"model": harm, "inputs": ["a"]}),
        client.post("/embed", json={harm: 1, "inputs": ["a"]}),
        client.post("/embed", json={"inputs": ["a"], "prompt": harm}),
        client.get("/models/" + harm.encode().hex("%").join(["%", ""])),
    ]
    for answer in answers:
        assert answer.status_code in (404, 422)
        assert "set-cookie" not in answer.headers
        assert answer.json()["error"]["code"] in ("unknown_model", "invalid_value")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Embed(
            pb.EmbedRequest(inputs=[pb.Input(text="a")], options=pb.EmbedOptions(model=harm)),
            metadata=list(guarded.bearer("all").items()),
        )
    assert "set-cookie" not in dict(caught.value.trailing_metadata())
    guarded.server.await_log("/models/bookz%")
    log = guarded.server.log.read_text()
    assert not re.search(r"^(\x1b\[2J)?(set-cookie|FORGED)", log, flags=re.MULTILINE)
    assert "\x1b[2J" not in log
