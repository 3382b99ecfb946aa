"""Jubako's public package: the Python clients and the `jubako` command."""

from jubako.answers import Classifications, Embeddings, Reason, Recommendations, RecommendedItem, Scored
from jubako.client import AsyncClient, Client
from jubako.errors import ServerError

__all__ = [
    "AsyncClient",
    "Classifications",
    "Client",
    "Embeddings",
    "Reason",
    "Recommendations",
    "RecommendedItem",
    "Scored",
    "ServerError",
]
