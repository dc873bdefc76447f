"""Whether processes live: those that are killed die a moment later, and stay zombies until their parent asks."""

from __future__ import annotations

from pathlib import Path


def lives(pid: object) -> bool:
    """Whether a process with that number lives, as more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def is_alive(file: Path) -> bool:
    """Whether the process lives whose number stands in a file."""
    return file.exists() and lives(file.read_text().strip())
