"""Jubako's public package: the Python clients and, with the server's packages installed, the `jubako` command."""

from jubako.answers import Classifications, Embeddings, Reason, Recommendations, RecommendedItem, Scored
from jubako.client import AsyncClient, Client
from jubako.errors import DeadlineError, ServerError, ServerUnreachable

__all__ = [
    "AsyncClient",
    "Classifications",
    "Client",
    "DeadlineError",
    "Embeddings",
    "Reason",
    "Recommendations",
    "RecommendedItem",
    "Scored",
    "ServerError",
    "ServerUnreachable",
]
