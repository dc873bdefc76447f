"""A process that takes a slot of the limit ``db`` again and again: ``python -m tests.support.holding FOLDER SLOTS``.

Whoever has a slot locks one of as many files; a lock ends with its process, as a slot should. For each turn it prints
``in``, or ``over`` where living processes have locked all the files, so that more hold a slot than there are. A killed
one is dead a moment before its last thread is, and only then lets go of its lock.
"""

from __future__ import annotations

import fcntl
import os
import random
import sys
import threading
from pathlib import Path
from typing import IO

from orchestration import concurrency
from tests.support.alive import lives


def main(folder: Path, slots: int) -> None:
    """Hold slots until killed."""
    paths = [folder / f"slot {number}" for number in range(slots)]
    for path in paths:
        path.touch()
    files = [path.open("r+") for path in paths]
    while True:
        with concurrency("db", strict=True):
            mine = next(filter(_is_locked, files), None)
            sys.stdout.write("over\n" if mine is None and all(map(_lives, files)) else "in\n")
            sys.stdout.flush()
            threading.Event().wait(random.uniform(0.0, 0.2))
            if mine is not None:
                fcntl.flock(mine, fcntl.LOCK_UN)


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    os.pwrite(file.fileno(), f"{os.getpid():10}".encode(), 0)
    return True


def _lives(file: IO[str]) -> bool:
    """Whether the process that has locked the file lives."""
    return lives(os.pread(file.fileno(), 10, 0).decode().strip())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
