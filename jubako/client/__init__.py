"""Clients of a Jubako server, one blocking and one for asyncio, over HTTP or gRPC as the URL says.

Both drive the same calls (`calls`), which are split and joined in one place (`parts`) and travel over a transport
(`over_http`, `over_grpc`) that turns a request into an answer and knows nothing else.
"""

from jubako.answers import Classifications, Embeddings, Recommendations
from jubako.client.awaiting import AsyncClient
from jubako.client.blocking import Client

__all__ = ["AsyncClient", "Classifications", "Client", "Embeddings", "Recommendations"]
