"""A progress bar for a person at a terminal; nobody else sees one."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

WIDTH = 28
SECONDS_BETWEEN_DRAWINGS = 0.1


class Bar:
    """Counts what is done and draws it at most ten times a second; without a stream it only counts."""

    def __init__(self, what: str, total: int, stream: TextIO | None) -> None:
        self.done = 0
        self._what, self._total, self._stream = what, total, stream
        self._drawn = 0.0

    def reach(self, done: int, total: int | None = None) -> None:
        """Note how much is done, and how much there is if that was not known before."""
        self.done, self._total = done, self._total if total is None else total
        if self._stream is not None and time.monotonic() - self._drawn >= SECONDS_BETWEEN_DRAWINGS:
            self._drawn = time.monotonic()
            self._draw("")

    def close(self) -> None:
        """Draw for the last time and end the line."""
        if self._stream is not None:
            self._draw("\n")

    def line(self) -> str:
        """What is drawn."""
        share = min(self.done / self._total, 1.0) if self._total else 0.0
        filled = round(share * WIDTH)
        return f"{self._what} [{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%}"

    def _draw(self, end: str) -> None:
        if self._stream is not None:
            self._stream.write(f"\r{self.line()} {end}")
            self._stream.flush()


@contextmanager
def progress_bar(what: str, total: int = 0) -> Iterator[Bar]:
    """A bar on standard error, drawn only if that is a terminal."""
    bar = Bar(what, total, sys.stderr if on_terminal() else None)
    try:
        yield bar
    finally:
        bar.close()


def on_terminal() -> bool:
    """Whether a person watches standard error."""
    return sys.stderr.isatty()
