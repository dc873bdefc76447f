"""What templates make of values: words for spans of time, and markdown that can do no harm."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import nh3
from markdown_it import MarkdownIt

from orchestration.backend.clock import utc_now
from orchestration.domain.schedules import schedule_of
from orchestration.domain.schemas.wire import moment_of

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "th": {"align"}, "td": {"align"}}
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
# Pictures that a page may hold: none that another host would be asked for, and SVG only where it can run nothing.
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml)[;,]|/(?!/)", re.IGNORECASE)


def duration(seconds: float | None) -> str:
    """A span of time in at most two units, such as ``2m 5s``."""
    if seconds is None or seconds < 10:  # noqa: PLR2004
        return "\u2013" if seconds is None else f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    rest, parts = round(seconds), list[str]()
    for size, unit in _UNITS:
        number, rest = divmod(rest, size)
        if number or parts:
            parts.append(f"{number}{unit}" if number else "")
    return " ".join(part for part in parts[:2] if part)


def markdown(text: Any) -> str:
    """HTML of markdown: without scripts, handlers, styles, forms, or anything that asks another host."""
    html, schemes = _MARKDOWN.render(str(text)), {"http", "https", "mailto", "data"}
    return nh3.clean(html, attributes=_ATTRIBUTES, url_schemes=schemes, attribute_filter=_kept)


def _kept(_tag: str, name: str, value: str) -> str | None:
    """Pictures come from here alone, and links lead to no data."""
    is_wanted = is_picture(value) if name == "src" else name != "href" or not value.strip().lower().startswith("data:")
    return value if is_wanted else None


def is_picture(address: Any) -> bool:
    """Whether an image of that address can be shown without asking another host."""
    return isinstance(address, str) and _PICTURE.match(address) is not None


def table_of(data: Any) -> list[dict[str, Any]]:
    """The rows of a table artifact, whichever of its three forms it has; none when it is not a table."""
    try:
        found = json.loads(data) if isinstance(data, str) else data
    except ValueError:
        return []
    if isinstance(found, dict) and all(isinstance(column, list) for column in found.values()):
        return [dict(zip(found, row, strict=False)) for row in zip(*found.values(), strict=False)]
    rows = found if isinstance(found, list) else []
    return [row if isinstance(row, dict) else {str(place): cell for place, cell in enumerate(row)} for row in rows]


def fires(document: Mapping[str, Any], number: int = 5, after: datetime | None = None) -> list[datetime]:
    """The next times of a schedule, in UTC."""
    return schedule_of(document).upcoming(after or utc_now(), number)


def since(moment: str) -> float:
    """Seconds from a moment to now."""
    return (utc_now() - (moment_of(moment) or utc_now())).total_seconds()


FILTERS = {"duration": duration, "markdown": markdown, "fires": fires, "since": since, "table_of": table_of}
