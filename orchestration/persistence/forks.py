"""Databases and forks: a connection that two processes share is broken in both, so none is open while one forks."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from functools import partial
from weakref import WeakSet

from orchestration.domain.errors import StoreError


class Connected(ABC):
    """Something that holds connections, which are closed for good by ``close`` and for a while by every fork."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._closed = False
        _known.add(self)

    @abstractmethod
    def _disconnect(self) -> None:
        """Close what is open."""

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("The orchestration database was closed, and nothing can be read or written any more.")

    def close(self) -> None:
        """Release all connections."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def before_fork(self) -> None:
        """Close what is open, and let nobody open it again until the fork is over."""
        self._lock.acquire()
        self._disconnect()

    def after_fork(self, is_child: bool) -> None:
        """Go on; the child with a lock of its own, since only the forking thread lives on in it."""
        if is_child:
            self._lock = threading.RLock()
        else:
            self._lock.release()


_known: WeakSet[Connected] = WeakSet()
_held: list[Connected] = []
"""Those that a fork under way concerns."""


def _before_fork() -> None:
    _held[:] = _known
    for database in _held:
        database.before_fork()


def _after_fork(is_child: bool) -> None:
    for database in _held:
        database.after_fork(is_child)
    _held.clear()


os.register_at_fork(
    before=_before_fork, after_in_parent=partial(_after_fork, False), after_in_child=partial(_after_fork, True)
)
