"""The clock and the dice of this process: the only place below the SDK that asks for either."""

from __future__ import annotations

import os
import random
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

from orchestration.backend.names import run_name
from orchestration.domain.ids import uuid7

DICE = random.Random()  # noqa: S311 - jitter and names, no secrets
"""Chance of our own: drawing from ``random`` itself would change what a user's seeded program draws next."""

_lock = threading.Lock()
_last = 0


def utc_now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


def new_id() -> UUID:
    """A new identifier; within a process, later ones sort after earlier ones.

    Identifiers made within the same millisecond count up from a random start, as RFC 9562 (section 6.2)
    suggests, so that rows keep the order in which they were made.
    """
    global _last  # noqa: PLW0603 - the last identifier is the state that makes the next one larger
    stamp = time.time_ns() // 1_000_000
    with _lock:
        if stamp > _last >> 74:
            _last = stamp << 74 | int.from_bytes(os.urandom(9), "big")
        else:
            _last += 1 + (os.getpid() & 0xFFFF)
        value = _last
    return uuid7(value >> 74, value & ((1 << 74) - 1))


def made_up_name() -> str:
    """A name such as ``light-boar``."""
    return run_name(DICE.getrandbits(62))
