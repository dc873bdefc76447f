"""Databases and forks: a connection that two processes share is broken in both, so none is open while one forks."""

from __future__ import annotations

import os
from functools import partial
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that holds connections."""

    def before_fork(self) -> None:
        """Close what is open, and let nobody open it again until the fork is over."""

    def after_fork(self, is_child: bool) -> None:
        """Go on; the child with locks of its own, since only the forking thread lives on in it."""


_known: WeakSet[Forkable] = WeakSet()
_held: list[Forkable] = []
"""Those that a fork under way concerns."""


def watch(database: Forkable) -> None:
    """Let a database know of every fork of this process, as long as it is there."""
    _known.add(database)


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
