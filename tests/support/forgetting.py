"""Tests must not see each other's secrets."""

from orchestration.sdk import redaction


def forget_secrets() -> None:
    """Let this process know no secret."""
    redaction._known.clear()
    redaction._pattern = None
