"""Numbered, forward-only changes of the schema; ``{sequence}`` stands for the dialect's counting key."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def migrations() -> list[tuple[int, str]]:
    """All migrations as (number, SQL), lowest first."""
    return [(int(path.name[:4]), path.read_text(encoding="utf-8")) for path in sorted(_FOLDER.glob("[0-9]*.sql"))]


LATEST = 3
"""The number of the newest migration; a test holds it to the files."""
