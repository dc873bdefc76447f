"""A progress bar for a person at a terminal; nobody else sees one."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

WIDTH = 28
SECONDS_BETWEEN_DRAWINGS = 0.1


class Bar:
    """Counts bytes from many threads and draws them at most ten times a second."""

    def __init__(self, what: str, total: int, stream: TextIO | None) -> None:
        self._what, self._total, self._stream = what, total, stream
        self._done = 0
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._drawn = 0.0

    def add(self, count: int) -> None:
        """Note that ``count`` more bytes are done; negative when they must be done again."""
        with self._lock:
            self._done += count
            now = time.monotonic()
            if self._stream is not None and now - self._drawn >= SECONDS_BETWEEN_DRAWINGS:
                self._drawn = now
                self._stream.write("\r" + self.line(now - self._started))
                self._stream.flush()

    def line(self, seconds: float) -> str:
        """What is drawn after so many seconds."""
        share = min(self._done / self._total, 1.0) if self._total else 1.0
        filled = round(share * WIDTH)
        speed = self._done / seconds / 1e6 if seconds > 0 else 0.0
        bar, done, total = "#" * filled + "." * (WIDTH - filled), self._done / 1e6, self._total / 1e6
        return f"{self._what} [{bar}] {share:4.0%} {done:,.1f} / {total:,.1f} MB, {speed:,.1f} MB/s "

    def close(self) -> None:
        """End the line."""
        if self._stream is not None:
            self._stream.write("\r" + self.line(time.monotonic() - self._started) + "\n")
            self._stream.flush()


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Bar]:
    """A bar on standard error, drawn only if that is a terminal."""
    bar = Bar(what, total, sys.stderr if sys.stderr.isatty() else None)
    try:
        yield bar
    finally:
        bar.close()
