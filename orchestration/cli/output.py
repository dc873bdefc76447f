"""What commands print: tables for people, JSON for programs."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import typer

Document = Mapping[str, Any]
# Of a table: title, field of the documents, and whether its text may be cut short (text), not (exact), or is a time.
Column = Sequence[str]

GAP = "  "
NARROWEST = 6
# Of the states that somebody looks for, on a terminal.
COLOURS = {
    "Completed": "green", "Cached": "green", "Running": "blue", "Retrying": "blue", "Failed": "red", "TimedOut": "red",
    "Crashed": "magenta", "Late": "yellow", "Paused": "yellow", "Suspended": "yellow", "AwaitingRetry": "yellow",
}  # fmt: skip


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
        room = shutil.get_terminal_size((80, 24)).columns
        typer.echo("\n".join(lines_of(documents, columns, room, datetime.now(UTC))))


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


def lines_of(documents: Sequence[Document], columns: Sequence[Column], room: int, now: datetime) -> list[str]:
    """A table as lines of text, as seen at ``now`` (UTC).

    They fit ``room``, as long as cutting texts short is enough for that.
    """
    table = [[title.upper() for title, *_ in columns]]
    table += [[_text(one.get(field), kind == "time" and now) for _, field, kind in columns] for one in documents]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    flexible = [place for place, (*_, kind) in enumerate(columns) if kind == "text"]
    while flexible and sum(widths) + len(GAP) * (len(widths) - 1) > room:
        widest = max(flexible, key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    return [GAP.join(map(_cell, row, widths)).rstrip() for row in table]


def ago(moment: datetime, now: datetime) -> str:
    """How long ago something was, or how long until it will be, in its largest unit."""
    seconds = (now - moment).total_seconds()
    units = (("d", 86400), ("h", 3600), ("m", 60))
    unit, size = next((each for each in units if abs(seconds) >= each[1]), ("s", 1))
    return f"{seconds / size:.0f}{unit} ago" if seconds >= 0 else f"in {-seconds / size:.0f}{unit}"


def _cell(text: str, width: int) -> str:
    shown = (text if len(text) <= width else text[: width - 1] + "…").ljust(width)
    return typer.style(shown, COLOURS[text]) if text in COLOURS else shown


def _text(value: Any, now: datetime | Literal[False]) -> str:
    if isinstance(value, str):
        return ago(datetime.fromisoformat(value), now) if now else " ".join(value.split())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else json.dumps(value, default=str)
