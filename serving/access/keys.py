"""API keys: `jbk_<id>_<secret>`, of which a server keeps the id and a digest of the secret.

The id is public and finds the key; it stands in logs and lists. The secret is 256 random bits. One round of SHA-256 is
the right digest for that: bcrypt and its kin slow down the guessing of what people choose, and nobody guesses 256 bits
however fast a try is, while each request would wait for them.
"""

import hashlib
import hmac
import secrets
from typing import NamedTuple

PREFIX = "jbk"
ID_BYTES, SECRET_BYTES = 6, 32
LONGEST = 256
"""Characters of what is looked at; a key has 81."""
NO_DIGEST = bytes(hashlib.sha256().digest_size)
"""Stands in the place of the digest of a key that is not known, so that the answer takes as long."""


class Key(NamedTuple):
    """A key as its owner has it."""

    id: str
    secret: str

    def __str__(self) -> str:
        return f"{PREFIX}_{self.id}_{self.secret}"


def new_key() -> Key:
    """Return a key of random bits from the operating system."""
    return Key(secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES))


def parse_key(text: str) -> Key:
    """Take what a caller sent apart; what is no key gets an id that no key has, and is compared all the same."""
    prefix, _, rest = text[:LONGEST].partition("_")
    key_id, _, secret = rest.partition("_")
    return Key(key_id, secret) if prefix == PREFIX else Key("", rest)


def digest_of(secret: str) -> bytes:
    """Return the digest of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def matches(secret: str, digest: bytes | None) -> bool:
    """Return whether a secret has this digest, in a time that tells neither how much of it is right nor whether there
    is a digest at all (None: the key is not known)."""
    same = hmac.compare_digest(digest_of(secret), NO_DIGEST if digest is None else digest)
    return same and digest is not None
