"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestration.cli.output import Column

COLOURS = {
    "Completed": "green", "Cached": "green", "Running": "blue", "Retrying": "blue", "Failed": "red", "TimedOut": "red",
    "Crashed": "dark_orange", "Late": "yellow", "Paused": "yellow", "Suspended": "yellow", "AwaitingRetry": "yellow",
    "Cancelled": "bright_black", "Cancelling": "bright_black",
}  # fmt: skip


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as the terminal allows; long texts go on in the next line."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.title.upper(), no_wrap=column.kind != "text", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, COLOURS.get(cell, "")) for cell in row))
    Console().print(table)
