"""The clock and the dice of this process, and the names that they throw: the only place below the SDK that asks."""

from __future__ import annotations

import os
import random
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from orchestration.domain.schemas.runs import uuid7

# Chance of our own: drawing from ``random`` itself would change what a user's seeded program draws next.
DICE = random.Random()  # noqa: S311 - jitter and names, no secrets
os.register_at_fork(after_in_child=DICE.seed)  # or siblings would throw the same

ADJECTIVES, ANIMALS = map(str.split, Path(__file__).with_name("names.txt").read_text("ascii").split("\n\n"))

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
    """A name that people can say, such as ``light-boar``: one of about 34,000."""
    return f"{DICE.choice(ADJECTIVES)}-{DICE.choice(ANIMALS)}"
