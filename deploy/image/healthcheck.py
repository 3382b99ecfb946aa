"""Exit with 0 when the server of this container is ready; what the image's HEALTHCHECK runs."""

import os
import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

TIMEOUT_S = 5


def ready(port: int, tls: bool) -> bool:
    """Ask `/readyz` over the loopback; the certificate is made for other names, so it is not checked."""
    connection = (
        HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=ssl._create_unverified_context())
        if tls
        else HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    )
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    port = int(os.environ.get("BENTOML_PORT") or os.environ.get("PORT") or "3000")
    sys.exit(0 if ready(port, tls=False) or ready(port, tls=True) else 1)
