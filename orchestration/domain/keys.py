"""API keys: what a server keeps of them, and what each role may do."""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum

# How every key begins, so that people and secret scanners know one when they see it.
PREFIX = "orc_"


class Role(StrEnum):
    """What the holder of a key may do; each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


def new_key() -> str:
    """A key with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """What a server keeps in place of a key: SHA-256, in hex; so many random bits need no salt and no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()
