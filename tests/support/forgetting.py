"""Tests must not see each other's secrets."""

from orchestration.sdk import logs


def forget_secrets() -> None:
    """Let this process know no secret."""
    logs._known.clear()
    logs._pattern = None
