"""systemd units, which keep servers and workers running for months."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

_UNIT = Path(__file__).with_name("unit.service").read_text(encoding="ascii")


def unit_of(what: str, arguments: Sequence[str], home: Path) -> str:
    """The unit that runs a command of this installation in the current folder, with this home."""
    command = shlex.join([sys.executable, "-m", "orchestration.cli", *arguments]).replace("%", "%%")
    return _UNIT.format(what=what, command=command, home=home, folder=Path.cwd()).rstrip()
