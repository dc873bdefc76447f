"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {
    "Completed": "green", "Cached": "green", "Running": "blue", "Retrying": "blue", "Failed": "red", "TimedOut": "red",
    "Crashed": "dark_orange", "Late": "yellow", "Paused": "yellow", "Suspended": "yellow", "AwaitingRetry": "yellow",
    "Cancelled": "bright_black", "Cancelling": "bright_black",
}  # fmt: skip


def print_table(head: Mapping[str, bool], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as the terminal allows; each title tells whether the texts under it may be folded."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title, may_fold in head.items():
        table.add_column(title, no_wrap=not may_fold, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, COLOURS.get(cell, "")) for cell in row))
    Console().print(table)
