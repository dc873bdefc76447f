"""A worker thread that waits for another task lends its place in the pool, so that waiting fills no pool for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Lender = Callable[[], AbstractContextManager[None]]
"""Gives a context in which the thread's place is lent."""

_thread = threading.local()


def lender() -> Lender:
    """How the calling thread lends its place; threads of no pool have none to lend."""
    found: Lender = getattr(_thread, "lender", nullcontext)
    return found


def lend_by(way: Lender) -> None:
    """Let the calling thread lend its place in this way from now on."""
    _thread.lender = way
