"""A process that takes a slot of the limit ``db`` again and again: ``python -m tests.support.holding FOLDER SLOTS``.

Whoever has a slot locks one of as many files; a lock ends with its process, as a slot should. For each turn it prints
``in``, or ``over`` where all the files are locked, so that more hold a slot than there are.
"""

from __future__ import annotations

import fcntl
import random
import sys
import threading
from pathlib import Path
from typing import IO

from orchestration import concurrency


def main(folder: Path, slots: int) -> None:
    """Hold slots until killed."""
    files = [(folder / f"slot {number}").open("w") for number in range(slots)]
    while True:
        with concurrency("db", strict=True):
            mine = next(filter(_is_locked, files), None)
            sys.stdout.write("over\n" if mine is None else "in\n")
            sys.stdout.flush()
            threading.Event().wait(random.uniform(0.0, 0.2))
            if mine is not None:
                fcntl.flock(mine, fcntl.LOCK_UN)


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
