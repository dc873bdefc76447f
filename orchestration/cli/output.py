"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

Document = Mapping[str, Any]

GAP = "  "
NARROWEST = 6

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; -o json does so too.")]
Limit = Annotated[int, typer.Option(help="How many at most.", min=1)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: which field of the documents it shows, as a dotted path, and how."""

    title: str
    path: str
    kind: str = "text"  # or exact, which is never cut short, or time


def columns(*lines: str) -> tuple[Column, ...]:
    """Columns, each from a line of title, path and kind, such as ``Name flow_name text``."""
    return tuple(Column(*line.rsplit(" ", 2)) for line in lines)


def new_app(help_text: str) -> typer.Typer:
    """A group of commands, with plain help."""
    return typer.Typer(help=help_text, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


def print_documents(documents: Sequence[Document], columns: Sequence[Column], as_json: bool, nothing: str) -> None:
    """Print a listing; where there is none, say so beside it."""
    if as_json:
        print_json(documents)
    elif not documents:
        typer.echo(nothing, err=True)
    else:
        rows = cells(documents, columns, datetime.now(UTC))
        if sys.stdout.isatty():
            from orchestration.cli.coloured import print_table

            print_table({each.title.upper(): each.kind == "text" for each in columns}, rows)
        else:
            typer.echo("\n".join(plain_lines(columns, rows, shutil.get_terminal_size((80, 24)).columns)))


def print_fields(document: Document, as_json: bool) -> None:
    """Print all fields of one document."""
    if as_json:
        print_json(document)
        return
    width = max(map(len, document), default=0)
    for name, value in document.items():
        text = value if isinstance(value, str) else "" if value is None else json.dumps(value, default=str)
        typer.echo(f"{name:<{width}}{GAP}{text}".rstrip())


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def may(question: str, yes: bool) -> None:
    """Ask before something is lost, where there is somebody to ask.

    Raises:
        Abort: the answer was no.
    """
    if not yes and sys.stdin.isatty():
        typer.confirm(question, abort=True)


def cells(documents: Sequence[Document], columns: Sequence[Column], now: datetime) -> list[list[str]]:
    """The texts of a table's rows, as seen at ``now`` (UTC)."""
    return [[_SHOWN.get(each.kind, _text)(value_at(one, each.path), now) for each in columns] for one in documents]


def value_at(document: Document, path: str) -> Any:
    """The value at a dotted path; ``None`` where the path ends early."""
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def plain_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[str]:
    """A table as lines of text that fit ``room``, as long as cutting texts short is enough for that."""
    table = [[each.title.upper() for each in columns], *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    flexible = [place for place, column in enumerate(columns) if column.kind == "text"]
    while sum(widths) + len(GAP) * (len(widths) - 1) > room:
        widest = max(flexible, key=lambda place: widths[place], default=None)
        if widest is None or widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    return [GAP.join(_cut(*cell).ljust(cell[1]) for cell in zip(row, widths, strict=True)).rstrip() for row in table]


def ago(moment: datetime, now: datetime) -> str:
    """How long ago something was, or how long until it will be, in its largest unit."""
    seconds = (now - moment).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if abs(seconds) >= size:
            return f"{seconds / size:.0f}{unit} ago" if seconds > 0 else f"in {-seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s ago" if seconds >= 0 else f"in {-seconds:.0f}s"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _text(value: Any, _now: datetime) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(str, value))
        case Mapping():
            return json.dumps(value, default=str)
    return " ".join(str(value).split())


def _time(value: Any, now: datetime) -> str:
    return ago(datetime.fromisoformat(value), now) if value else ""


_SHOWN: Mapping[str, Callable[[Any, datetime], str]] = {"time": _time}
