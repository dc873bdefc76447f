"""Concurrency limits for flow authors: slots that are held while a block runs, and rates."""

import asyncio
import math
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self
from uuid import UUID

from orchestration.backend.clock import DICE, new_id
from orchestration.domain.errors import AcquireTimeoutError, ConfigurationError, StoreError, UsageError
from orchestration.domain.schemas.catalog import ConcurrencyLimit
from orchestration.sdk import awaiting, context, logs

LEASE_SECONDS = 300.0
_POLL_SECONDS = 0.05


@dataclass(eq=False)
class Slots:
    """Hold slots of limits while a ``with`` or ``async with`` block runs, by a lease that is renewed meanwhile.

    Args:
        names: limits, by name; one that does not exist limits nothing, and neither does no name.
        occupy: slots of each.
        timeout_seconds: how long to wait for them; without end unless given.
        max_retries: how often to ask again.
        lease_duration: seconds after which the slots of a process that vanished come free.
        strict: refuse names that are no limits.

    Raises:
        AcquireTimeoutError: no slot came free in time.
        ConfigurationError: ``strict``, and a name is no limit.
        UsageError: a limit has fewer slots than are asked for.
    """

    names: str | Sequence[str] | None
    occupy: int = 1
    timeout_seconds: float | None = None
    max_retries: int | None = None
    lease_duration: float = LEASE_SECONDS
    strict: bool = False
    session: context.Session = field(default_factory=logs.started_session)

    def __post_init__(self) -> None:
        self._wanted = [self.names] if isinstance(self.names, str) else list(self.names or ())
        self._lease: UUID | None = None
        self._left = threading.Event()

    def __enter__(self) -> Self:
        for seconds in self._tries():
            time.sleep(seconds)
        return self

    async def __aenter__(self) -> Self:
        tries = self._tries()
        try:
            while (seconds := await awaiting.in_thread(next, tries, None)) is not None:  # noqa: ASYNC110 - asks the store
                await asyncio.sleep(seconds)
        except BaseException:  # the thread may be taking slots at this moment, which nobody would give back
            await awaiting.in_thread(self._leave)
            raise
        return self

    def _leave(self, *_: object) -> None:
        self._left.set()
        if self._lease is not None:
            self.session.backend.release_lease(self._lease)

    __exit__ = _leave

    async def __aexit__(self, *_: object) -> None:
        await awaiting.in_thread(self._leave)

    def _tries(self) -> Generator[float, None, None]:
        """Ask until the slots are taken; yields the seconds to wait before asking again."""
        self._left.clear()
        if not self._wanted:
            return
        if self.strict and (unknown := set(self._wanted) - {limit.name for limit in self.limits()}):
            raise ConfigurationError(f"There is no concurrency limit {min(unknown)!r}; create it, or drop strict=True.")
        lease, asked, most = new_id(), 0, math.inf if self.max_retries is None else self.max_retries
        deadline = math.inf if self.timeout_seconds is None else time.monotonic() + self.timeout_seconds
        wanted = lease, self._wanted, self.occupy, self.lease_duration
        while (wait := self.session.backend.try_acquire(*wanted)) is not None:
            if not asked:
                self._refuse_too_many()
            asked += 1
            seconds = wait or _POLL_SECONDS * (0.5 + DICE.random())  # spreads the askers
            if asked > most or time.monotonic() + seconds > deadline:
                what = f"No {self.occupy} slot(s) of {', '.join(self._wanted)} came free in time"
                raise AcquireTimeoutError(f"{what}; raise the limit or the timeout_seconds.")
            yield seconds
        self._lease = lease
        if self._left.is_set():
            self._leave()
            return
        threading.Thread(target=self._renew, name="orchestration-lease", args=(lease,), daemon=True).start()

    def _renew(self, lease: UUID) -> None:
        while not self._left.wait(self.lease_duration / 3):
            with suppress(StoreError):  # a store that is away for a moment; the lease lasts for two more tries
                if not self.session.backend.renew_lease(lease, self.lease_duration):
                    return

    def limits(self) -> list[ConcurrencyLimit]:
        """The limits of these names, as far as there are any."""
        return [limit for limit in self.session.backend.concurrency_limits() if limit.name in self._wanted]

    def _refuse_too_many(self) -> None:
        """Tell of a limit below what is asked for; one of 0 is somebody's way to hold all up, so it is waited for."""
        for limit in self.limits():
            if limit.active and 0 < limit.limit < self.occupy:
                what = f"The limit {limit.name!r} has {limit.limit} slot(s), so {self.occupy} can never be had"
                raise UsageError(f"{what}; occupy fewer, or raise the limit.")


# How a flow holds them: ``with concurrency("database"): ...``.
concurrency = Slots


@awaiting.either
def rate_limit(
    names: str | Sequence[str], occupy: int = 1, timeout_seconds: float | None = None, strict: bool = False
) -> Any:
    """Wait until slots of these limits are free, and use them up; they come back at the limit's decay.

    Raises:
        AcquireTimeoutError: no slot came free in time.
        ConfigurationError: a limit has no decay, so that its slots would never come back.
    """
    slots = Slots(names, occupy, timeout_seconds, strict=strict)
    for limit in slots.limits():
        if limit.active and limit.slot_decay_per_second <= 0:
            what = f"The concurrency limit {limit.name!r} has no slot_decay_per_second"
            raise ConfigurationError(f"{what}, so rate_limit would use it up for good; give it one.")
    with slots:
        return


@lru_cache(maxsize=1)
def _limited_tags(session: context.Session, second: int) -> frozenset[str]:
    """The tags that are limited, looked up again each second: most runs have tags and no limits."""
    limits = session.backend.concurrency_limits()
    return frozenset(limit.name for limit in limits if limit.name.startswith("tag:"))


def tag_slots(session: context.Session, tags: Sequence[str]) -> Slots | nullcontext[None]:
    """Slots of the limits on a task run's tags; a limit of the name ``tag:x`` counts the runs tagged ``x``."""
    limited = _limited_tags(session, int(time.monotonic())) if tags else ()
    wanted = [f"tag:{tag}" for tag in tags if f"tag:{tag}" in limited]
    return Slots(wanted, session=session) if wanted else nullcontext()
