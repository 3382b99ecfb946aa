"""Jubako's public package: the Python clients and the `jubako` command."""

from jubako.client import AsyncClient, Client, Embeddings
from jubako.errors import ServerError

__all__ = ["AsyncClient", "Client", "Embeddings", "ServerError"]
