"""Encrypted connections, with a certificate that only `ca_file` makes trustworthy."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest

from jubako import AsyncClient, Client, ServerUnreachable
from tests.jubako.test_client_grpc import Scripted, vectors


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and its certificate, for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    about = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run([*command, *about, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


@pytest.fixture
def grpcs(pair: tuple[Path, Path]) -> Iterator[str]:
    script = Scripted()
    script.script.append(vectors(1.0))
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((script,))
        files = (pair[0].read_bytes(), pair[1].read_bytes())
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([files]))
        server.start()
        yield f"grpcs://127.0.0.1:{port}"
        server.stop(None).wait()


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"models": []}')

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def https(pair: tuple[Path, Path]) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Ready)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair[1], pair[0])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_grpc_trusts_a_certificate_that_it_is_given_and_no_other(grpcs: str, pair: tuple[Path, Path]) -> None:
    with Client(grpcs, ca_file=pair[1]) as client:
        assert client.embed("rice").tokens == 2
    with Client(grpcs, retries=0) as client, pytest.raises(ServerUnreachable):
        client.embed("rice")


async def test_http_trusts_a_certificate_that_it_is_given_and_no_other(https: str, pair: tuple[Path, Path]) -> None:
    async with AsyncClient(https, ca_file=pair[1]) as client:
        assert await client.models() == []
    async with AsyncClient(https, retries=0) as client:
        with pytest.raises(ServerUnreachable, match="certificate"):
            await client.models()
