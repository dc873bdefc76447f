"""The statements that never change, written out in ``statements.sql`` for both databases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_TEXT = Path(__file__).with_name("statements.sql").read_text(encoding="utf-8")
_NAMED = re.compile(r"^-- name: (\w+)\n(.*?)(?=\n--|\Z)", re.DOTALL | re.MULTILINE)


def _by_name(text: str) -> Mapping[str, str]:
    """The statements; ``{name}`` stands for one that is written above it."""
    found: dict[str, str] = {}
    for name, sql in _NAMED.findall(text):
        found[name] = re.sub(r"\{(\w+)\}", lambda part: found.get(part[1], part[0]), sql.strip())
    return found


STATEMENTS = _by_name(_TEXT)
"""By name, with ``:name`` parameters."""
