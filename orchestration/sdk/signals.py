"""A termination signal ends a script as an exit does, so that its runs can say how they ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 128 + signal.SIGTERM


class Terminated(SystemExit):
    """The exit of a program that was sent SIGTERM."""


@contextmanager
def termination_as_exit(is_outermost: bool) -> Iterator[None]:
    """Turn SIGTERM into ``Terminated`` while the outermost flow of the main thread runs.

    A handler that the program has set stays in force.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not (is_outermost and in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL):
        yield
        return

    def stop(_signum: int, _frame: FrameType | None) -> None:
        raise Terminated(EXIT_CODE)

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
