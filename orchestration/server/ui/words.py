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
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    rest, parts = round(seconds), []
    for size, unit in _UNITS:
        number, rest = divmod(rest, size)
        parts.append(f"{number}{unit}" if number else "")
    first = next(place for place, part in enumerate(parts) if part)
    return " ".join(part for part in parts[first : first + 2] if part)


def markdown(text: Any) -> str:
    """HTML of markdown: without scripts, handlers, styles, forms, or anything that asks another host."""
    tags = nh3.ALLOWED_TAGS - {"map", "area"}
    schemes = {"http", "https", "mailto", "data"}
    return nh3.clean(
        _MARKDOWN.render(str(text)), tags=tags, attributes=_ATTRIBUTES, url_schemes=schemes,
        attribute_filter=_kept, link_rel="noopener noreferrer",
    )  # fmt: skip


def _kept(tag: str, name: str, value: str) -> str | None:
    if name == "src":
        return value if is_picture(value) else None
    return None if tag == "a" and name == "href" and value.strip().lower().startswith("data:") else value


def is_picture(address: Any) -> bool:
    """Whether an image of that address can be shown without asking another host."""
    return isinstance(address, str) and _PICTURE.match(address) is not None


def table_of(data: Any) -> list[dict[str, Any]]:
    """The rows of a table artifact, whichever of its three forms it has; none when it is not a table."""
    try:
        found = json.loads(data) if isinstance(data, str) else data
    except ValueError:
        return []
    if isinstance(found, dict) and found and all(isinstance(column, list) for column in found.values()):
        return [dict(zip(found, row, strict=False)) for row in zip(*found.values(), strict=False)]
    if not isinstance(found, list):
        return []
    return [row if isinstance(row, dict) else dict(enumerate(row if isinstance(row, list) else [row])) for row in found]


def fires(document: Mapping[str, Any], number: int = 5, after: datetime | None = None) -> list[datetime]:
    """The next times of a schedule, in UTC."""
    return schedule_of(document).upcoming(after or utc_now(), number)


def since(moment: str | None, until: str | None = None) -> float | None:
    """Seconds from one moment to another, or to now."""
    begin, end = moment_of(moment), moment_of(until) or utc_now()
    return (end - begin).total_seconds() if begin else None


FILTERS = {"duration": duration, "markdown": markdown, "fires": fires, "since": since, "table_of": table_of}
