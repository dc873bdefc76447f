"""Moments and spans as people write them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from dateutil import parser

from orchestration.domain.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d|weeks?|w)\b", re.IGNORECASE)


def span_meant(text: str) -> timedelta:
    """How long a text such as ``in 5 minutes`` or ``1h 30m`` says.

    Raises:
        UsageError: it says no span.
    """
    bare = re.sub(r"^\s*in\b", "", text, flags=re.IGNORECASE)
    parts = _SPAN.findall(bare)
    if not parts or re.sub(r",|\band\b|\s", "", _SPAN.sub("", bare)):
        raise UsageError(f"{text!r} is no span of time; write it like `5 minutes` or `1h 30m`.")
    return timedelta(seconds=sum(float(number) * _UNITS[unit[0].lower()] for number, unit in parts))


def moment_meant(text: str, now: datetime) -> datetime:
    """The moment, in UTC, that a text such as ``at 5:30pm`` or ``2024-03-03 09:00`` says.

    Args:
        now: gives the day where the text gives none, and the zone where it has none.

    Raises:
        UsageError: it says no moment.
    """
    try:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        meant: datetime = parser.parse(re.sub(r"^\s*at\b", "", text, flags=re.IGNORECASE), default=midnight)
        return meant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no moment; write it like `17:30` or `2024-03-03 09:00`.") from None
