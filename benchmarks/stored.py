"""The proof behind the times: when a flow returns, all states and logs of its tasks are in the store."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common import OURS, Contender, run_program


def check_all_is_stored(how: str, count: int) -> None:
    """Run a flow of ``count`` tasks (call, submit or map) and count, as it returns, what another reader finds.

    Raises:
        SystemExit: something is missing; times of work that was not done are worth nothing.
    """
    with TemporaryDirectory(prefix="benchmark-") as folder:
        seen = run_program(Contender(OURS, sys.executable), Path(folder), "stored.py", how, count)
    del seen["seconds"]
    if set(seen.values()) != {count}:
        raise SystemExit(f"A flow of {count} tasks ({how}) returned, and its store held {seen}.")
