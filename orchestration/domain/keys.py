"""Who may reach a server: the keys that it knows people by, and the addresses that others can reach."""

from __future__ import annotations

import hashlib
import re
import secrets
from enum import StrEnum
from typing import Literal

from orchestration.domain.errors import ConfigurationError
from orchestration.domain.settings import Settings

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


# -- addresses ---------------------------------------------------------------------------------------------------------

CLOUD = "prefect.cloud"
# Where a server listens unless told otherwise: Prefect's port, on this machine only.
HOST, PORT = "127.0.0.1", 4200


def server_type(api_url: str | None) -> Literal["ephemeral", "server", "cloud"]:
    """What Prefect calls the place where runs are kept; ephemeral is this machine's database, without a server."""
    if api_url is None:
        return "ephemeral"
    host = api_url.partition("://")[2].partition("/")[0].partition(":")[0]
    return "cloud" if host == CLOUD or host.endswith(f".{CLOUD}") else "server"


def is_loopback(host: str) -> bool:
    """Whether only processes of the same machine can reach an address."""
    return re.fullmatch(r"localhost|127(\.\d{1,3}){3}|\[?::1\]?", host) is not None


def check_exposure(host: str, settings: Settings, has_keys: bool) -> None:
    """Refuse to let others reach a server that asks nobody who they are.

    Args:
        host: the address to listen on.
        has_keys: whether the server knows any API key.

    Raises:
        ConfigurationError: others could, and nothing protects it.
    """
    if not (is_loopback(host) or settings.server_api_auth_string or has_keys):
        raise ConfigurationError(
            f"Anybody who reaches {host} could use this server; make a key first with "
            "`orchestrate server key create NAME --role admin`, or set a user and a password with "
            "ORCHESTRATION_SERVER_API_AUTH_STRING=user:password."
        )


def url_of(host: str, port: int) -> str:
    """The address of a server's interface, as this machine reaches it."""
    reached = {"0.0.0.0": HOST, "::": "::1"}.get(host, host)  # noqa: S104 - what is bound, not a bind
    return f"http://[{reached}]:{port}/api" if ":" in reached else f"http://{reached}:{port}/api"
