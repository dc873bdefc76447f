"""How often a failed run starts again, and after how long: one policy for flows and tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestration.domain.errors import UsageError

MOST_DELAYS = 50

DelaySpec = float | int | Sequence[float] | Callable[[int], list[float]] | None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``retries`` new attempts; the last of ``delays`` (seconds) serves for all that follow it."""

    retries: int = 0
    delays: tuple[float, ...] = ()
    jitter_factor: float | None = None

    def allows(self, run_count: int) -> bool:
        """Whether a run that failed in its ``run_count``-th attempt may start again."""
        return max(run_count, 1) <= self.retries

    def delay(self, run_count: int, unit_random: float) -> float:
        """Seconds to wait after the ``run_count``-th attempt failed.

        Jitter spreads the delay ``d`` evenly over ``[d, d * (1 + jitter_factor))``, picked by
        ``unit_random`` in ``[0, 1)``, so that many runs that failed together do not return together
        and none returns earlier than asked.
        """
        if not self.delays:
            return 0.0
        delay = self.delays[min(max(run_count, 1), len(self.delays)) - 1]
        return delay * (1.0 + self.jitter_factor * unit_random) if self.jitter_factor else delay


NEVER = RetryPolicy()


def retry_policy(retries: int, delay: DelaySpec, jitter_factor: float | None = None) -> RetryPolicy:
    """The policy that a decorator's arguments describe.

    Args:
        retries: new attempts after the first.
        delay: seconds; one number, one for each attempt, or a function of ``retries`` that gives them.
        jitter_factor: how much longer than the delay a wait may be, as a share of the delay.

    Raises:
        UsageError: a number is negative or not finite, or there are more than 50 delays.
    """
    if retries < 0:
        raise UsageError(f"retries is {retries}; use 0 or more.")
    if jitter_factor is not None and not 0 <= jitter_factor < math.inf:
        raise UsageError(f"retry_jitter_factor is {jitter_factor}; use a number of 0 or more.")
    given = delay(retries) if callable(delay) else delay
    each = () if given is None else (given,) if isinstance(given, int | float) else given
    delays = tuple(map(float, each))
    if len(delays) > MOST_DELAYS:
        raise UsageError(f"retry_delay_seconds gives {len(delays)} delays; use {MOST_DELAYS} at the most.")
    if wrong := [seconds for seconds in delays if not 0 <= seconds < math.inf]:
        raise UsageError(f"retry_delay_seconds has a delay of {wrong[0]}; use a number of seconds, 0 or more.")
    return RetryPolicy(retries, delays, jitter_factor)


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Delays of ``backoff_factor`` seconds that double with each attempt: f, 2f, 4f, ..."""

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**attempt for attempt in range(min(retries, MOST_DELAYS))]

    return delays
