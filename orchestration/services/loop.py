"""The only long-running loop, which calls a tick again and again until it is told to stop; and the scheduler's tick."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue

from orchestration.backend.clock import utc_now
from orchestration.backend.local import LocalBackend
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.schedules import LEASE_SECONDS

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


TICK_SECONDS = 1.0
# A pause after which leases get their time anew: nobody could renew them while the store or the machine slept.
GAP = timedelta(seconds=10 * TICK_SECONDS)


class Scheduler:
    """Makes the runs of slots, says which are late, and ends what dead workers and processes left.

    Several may tick on one store; each slot still yields one run, and each claim ends once.
    """

    def __init__(self, backend: LocalBackend) -> None:
        self._backend = backend
        self._last = self._patient_until = datetime.min.replace(tzinfo=UTC)

    def tick(self, now: datetime) -> float:
        """Do what is to be done at ``now`` (UTC); the seconds until the next time."""
        if now - self._last > GAP:
            self._patient_until = now + timedelta(seconds=LEASE_SECONDS)
        self._last = now
        has_more = self._backend.plan(now)
        self._backend.mark_late(now)
        if now >= self._patient_until:
            self._backend.expire_claims(now)
        self._backend.crash_dead_runs()
        return 0.0 if has_more else TICK_SECONDS
