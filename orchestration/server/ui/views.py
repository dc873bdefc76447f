"""What pages show beyond what ``pages.toml`` asks for: times to narrow by, nodes of timelines, days of calendars.

And what templates make of values: words for spans of time, and markdown that can do no harm.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import nh3
from markdown_it import MarkdownIt

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.schedules import schedule_of
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.schemas.wire import Document, moment_of, moment_text, plain
from orchestration.server.api.runs import edges

Values = dict[str, Any]
SPANS = {"hour": 1, "day": 24, "week": 24 * 7, "month": 24 * 30}
# Bars of a chart, rows of a page, versions of an artifact, slots of a day, and characters of a log line.
BARS, ROWS, VERSIONS, SLOTS, LONGEST = 48, 50, 60, 24, 3_000
# What a timeline shows of a run and of an artifact.
STATE = ("state_type", "state_name", "start_time", "end_time", "expected_start_time")
MARK = ("task_run_id", "type", "key", "id", "created")


def when(_backend: Backend, values: Values) -> Values:
    """Between which times runs are wanted: those that are named, or up to now, or to where the page before ended."""
    now, span = utc_now(), values.get("span")
    begin = now if span == "upcoming" else now - timedelta(hours=SPANS[span]) if span in SPANS else None
    until = values["until"] or (None if begin == now else moment_text(now))
    return {"since": values["since"] or moment_text(begin), "until": until}


def page_of_runs(_backend: Backend, values: Values) -> Values:
    """The rows of a page, the place where the next one begins, and all runs to draw."""
    found, following = values["runs"], None
    if len(found) > ROWS:
        last = found[ROWS - 1]["expected_start_time"]
        seen = [each["id"] for each in found[:ROWS] if each["expected_start_time"] == last]
        following = {"until": last, "skip": seen}
    return {"runs": found[:ROWS], "following": following, "drawn": found}


def bars(backend: Backend, values: Values) -> Values:
    """How many runs there were in each span of time, by state: of all flows, or of the one that a page is about."""
    hours = SPANS.get(values.get("span", ""), 24)
    where = among("flows", id=[values["id"]]) if "flow" in values else {}
    begin = utc_now() - timedelta(hours=hours)
    found = backend.history("flow_runs", where, begin, hours * 3600 / BARS, BARS)
    return {"bars": found, "hours": hours, "since": moment_text(begin)}


def pins(backend: Backend, values: Values) -> Values:
    """The versions of the tables whose figures the dashboard shows: those that are named, or those called metrics."""
    named = values["pinned"]["value"] if values["pinned"] else [each["key"] for each in values["tables"]]
    keys = [each for each in (named if isinstance(named, list) else [named]) if isinstance(each, str)]
    return {"pins": {key: _versions(backend, key) for key in keys[:6]}}


def _versions(backend: Backend, key: str, most: int = VERSIONS) -> list[Document]:
    return backend.find("artifacts", Query(among("artifacts", key=[key]), "CREATED_DESC", most))


def of_artifact(backend: Backend, values: Values) -> Values:
    """The versions of an artifact, and where asked the one to compare it with."""
    artifact, most = values["artifact"], VERSIONS if values["artifact"]["type"] == "table" else 20  # may be large
    versions = _versions(backend, artifact["key"], most) if artifact["key"] else [artifact]
    return {"versions": versions, "other": next((each for each in versions if each["id"] == values.get("with")), None)}


# -- runs --------------------------------------------------------------------------------------------------------------


def of_run(backend: Backend, values: Values) -> Values:
    """The states of a flow run, its task runs as nodes, and its last log lines."""
    run, logs = values["run"], values["logs"][::-1]
    told = {
        **{name: run[name] for name in ("id", "start_time", "end_time", "expected_start_time", "state_type")},
        "nodes": nodes(backend, values["tasks"]), "count": values["count"], "logs": [line(each) for each in logs],
        "last": max((each["sequence"] for each in logs), default=0), "since": moment_text(utc_now()),
        "marks": [[each[name] for name in MARK] for each in values["artifacts"]],
    }  # fmt: skip
    return {"states": backend.flow_run_states(UUID(run["id"]))[::-1], "told": told}


def of_task_run(backend: Backend, values: Values) -> Values:
    """The states of a task run, its lines, and the flow run that it stands for."""
    node, states = nodes(backend, [values["task"]])[0], backend.task_run_states(UUID(values["task"]["id"]))
    return {"states": states[::-1], "lines": [line(each) for each in values["logs"]], "child": node[8]}


def nodes(backend: Backend, tasks: Sequence[Document]) -> list[list[Any]]:
    """Task runs as a timeline draws them, with the subflow runs that they stand for."""
    wanted = among("flow_runs", parent_task_run_id=[each["id"] for each in tasks])
    found = backend.find("flow_runs", Query(wanted, limit=len(tasks))) if tasks else []
    children = {each["parent_task_run_id"]: each for each in found}
    return [_node(each, children.get(each["id"])) for each in tasks]


def _node(task: Document, child: Document | None) -> list[Any]:
    shown = child or task
    parents = [each["id"] for each in edges(task, {}, are_parents=False)]
    label = f"{child['flow_name']} / {child['name']}" if child else task["name"]
    return [task["id"], label, *(shown[name] for name in STATE), parents, child and child["id"]]


def line(log: Document) -> list[Any]:
    """A log line as a page has it; a very long one is cut, and the download has the rest."""
    text, more = log["message"], len(log["message"]) - LONGEST
    cut = f"{text[:LONGEST]} … [{more:,} more characters; download the log to read them]" if more > 0 else text
    return [log["sequence"], log["timestamp"], log["level"], cut, log["task_run_id"]]


# -- deployments and blocks --------------------------------------------------------------------------------------------


def month(backend: Backend, values: Values) -> Values:
    """The days of a month (UTC), with the runs that there were on each and the slots of schedules."""
    year, number = (int(part) for part in (values.get("month") or f"{utc_now():%Y-%m}").split("-"))
    first = datetime(year, number, 1, tzinfo=UTC)
    after, before = (first + timedelta(days=32)).replace(day=1), first - timedelta(days=1)
    length, slots = (after - first).days, dict[int, list[datetime]]()
    for each in values["deployment"]["schedules"]:
        for slot in fires(each["schedule"], SLOTS * length, first - timedelta(seconds=1)):
            if slot < after:
                slots.setdefault(slot.day, []).append(slot)
    runs = backend.history("flow_runs", among("deployments", id=[values["id"]]), first, 86_400, length)
    days = [(day, each["states"], slots.get(day, [])[:SLOTS]) for day, each in enumerate(runs, 1)]
    return {"days": days, "first": first, "before": f"{before:%Y-%m}", "after": f"{after:%Y-%m}"}


def block_form(backend: Backend, values: Values) -> Values:
    """The type of a block with its newest schema, and of a saved one its values; of its secrets there are masks."""
    kind, block = values.get("type"), None
    if kind is None:
        block = plain(asdict(backend.block_document(id=UUID(values["id"]))))
        kind = backend.read("block_types", id=block["block_type_id"])
    schemas = backend.find("block_schemas", Query(among("block_schemas", block_type_id=[kind["id"]]), limit=1))
    return {"type": kind, "block": block, "schema": schemas[0] if schemas else None, **saved_blocks(backend, values)}


def saved_blocks(backend: Backend, _values: Values) -> Values:
    """All blocks that are saved, by type and name."""
    return {"blocks": [plain(asdict(each)) for each in backend.block_documents()]}


# -- what templates make of values -------------------------------------------------------------------------------------

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
