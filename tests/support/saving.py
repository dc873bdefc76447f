"""Blocks that are there before a test begins."""

from typing import Any

from pydantic import SecretStr

from orchestration.sdk.blocks import Secret


def saved_secret(name: str, value: str) -> None:
    """Save a secret text under a name."""
    secret: Secret[Any] = Secret(value=SecretStr(value))
    secret.save(name)
