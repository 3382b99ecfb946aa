"""Jubako's public package: the Python clients and the `jubako` command."""

from jubako.client import AsyncClient, Classifications, Client, Embeddings, Scored
from jubako.errors import ServerError

__all__ = ["AsyncClient", "Classifications", "Client", "Embeddings", "Scored", "ServerError"]
