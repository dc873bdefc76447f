"""The only long-running loop: calls a tick again and again until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from queue import SimpleQueue

from orchestration.backend.clock import utc_now
from orchestration.domain.errors import OrchestrationError

# Does what is to be done at a time (UTC); the seconds until it wants to be called again.
Tick = Callable[[datetime], float]
SECONDS_AFTER_ERROR = 2.0
LOGGER = logging.getLogger("orchestration.services")


def run(tick: Tick, stop: threading.Event) -> None:
    """Tick until ``stop``; a store that does not answer is asked again."""
    while not stop.is_set():
        try:
            seconds = tick(utc_now())
        except OrchestrationError as error:
            LOGGER.error("%s", error)
            seconds = SECONDS_AFTER_ERROR
        stop.wait(seconds)


@contextmanager
def beside(*ticks: Tick) -> Iterator[None]:
    """Call each tick in a thread of its own while the block runs, and once before it."""
    stop = threading.Event()
    for tick in ticks:
        tick(utc_now())
    threads = [threading.Thread(target=run, args=(tick, stop), daemon=True) for tick in ticks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def at_signals(*steps: Callable[[], object]) -> None:
    """From now on, take the first step at the first SIGTERM or SIGINT, the second one at the second, and so on.

    In a thread of their own: a step that takes a lock would else wait for ever for the one that it has interrupted.
    """
    signs: SimpleQueue[None] = SimpleQueue()
    threading.Thread(target=lambda: [step() for step in steps if signs.get() is None], daemon=True).start()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: signs.put(None))
