"""The only long-running loop: calls a tick again and again until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from orchestration.backend.clock import utc_now
from orchestration.domain.errors import OrchestrationError

Tick = Callable[[datetime], float]
"""Does what is to be done at a time (UTC); the seconds until it wants to be called again."""
SECONDS_AFTER_ERROR = 2.0
_log = logging.getLogger("orchestration.services")


def run(tick: Tick, stop: threading.Event) -> None:
    """Tick until ``stop``; a store that does not answer is asked again."""
    while not stop.is_set():
        try:
            seconds = tick(utc_now())
        except OrchestrationError as error:
            _log.error("%s", error)
            seconds = SECONDS_AFTER_ERROR
        stop.wait(seconds)


@contextmanager
def beside(*ticks: Tick) -> Iterator[None]:
    """Call each tick in a thread of its own while the block runs."""
    stop = threading.Event()
    threads = [threading.Thread(target=run, args=(tick, stop), daemon=True) for tick in ticks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def stopped_by_signals(*steps: Callable[[], object]) -> Iterator[None]:
    """At the first SIGTERM or SIGINT take the first step, at the second one the second, and so on."""
    left = list(steps)

    def step(_signum: int, _frame: object) -> None:
        if left:
            left.pop(0)()

    before = {sign: signal.signal(sign, step) for sign in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
