"""Which proposed state a run gets, and whether a failed one starts again: the one place where that is decided."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from orchestration.domain.errors import UsageError
from orchestration.domain.states import TRANSITIONS, AwaitingRetry, Cancelled, Failed, State, StateType

MOST_DELAYS = 50

DelaySpec = float | int | Sequence[float] | Callable[[int], list[float]] | None


class RetryPolicy(NamedTuple):
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
    return lambda retries: [backoff_factor * 2**attempt for attempt in range(min(retries, MOST_DELAYS))]


# -- decisions ---------------------------------------------------------------------------------------------------------

class Attempt(NamedTuple):
    """What the rules must know of the run besides its state."""

    now: datetime
    run_count: int = 0
    policy: RetryPolicy = NEVER
    retriable: bool = True
    unit_random: float = 0.0


class Accept(NamedTuple):
    """The proposed state becomes the run's."""

    state: State


class Reject(NamedTuple):
    """Another state becomes, or stays, the run's."""

    state: State
    reason: str


class Wait(NamedTuple):
    """Nothing changes; propose again after ``seconds``."""

    seconds: float
    reason: str


class Abort(NamedTuple):
    """Nothing changes, and the run must not go on."""

    reason: str


Decision = Accept | Reject | Wait | Abort


def decide(current: State | None, proposed: State, attempt: Attempt) -> Decision:
    """What becomes of ``proposed`` for a run that is in ``current``."""
    if current is None or (current.id is not None and current.id == proposed.id):
        return Accept(current or proposed)  # the same proposal may be sent again after its answer was lost
    if (seconds := _seconds_early(current, proposed, attempt.now)) > 0:
        return Wait(seconds, f"The run is scheduled for {seconds:.1f} seconds from now.")
    if refusal := _refusal(current, proposed, attempt.now):
        return refusal
    if not _may_follow(current, proposed):
        return Abort(f"A run that is {current.name} cannot become {proposed.name}.")
    has_failed = current.is_running() and proposed.is_failed()  # code which was running, and which nobody is cancelling
    if has_failed and attempt.retriable and attempt.policy.allows(attempt.run_count):
        delay = attempt.policy.delay(attempt.run_count, attempt.unit_random)
        return Reject(AwaitingRetry(attempt.now + timedelta(seconds=delay), proposed.message), "Retrying")
    return Accept(proposed)


def _may_follow(current: State, proposed: State) -> bool:
    """Whether a type may come after another; a Pending run may only go on to a step of its own name.

    So a worker tells how far it is (Submitting, InfrastructurePending), and a second worker is refused.
    """
    if current.is_pending() and proposed.is_pending():
        return proposed.name not in (current.name, "Pending")
    return proposed.type in TRANSITIONS[current.type]


def _seconds_early(current: State, proposed: State, now: datetime) -> float:
    """How long before its scheduled time a run is asked to start; 0 when it may."""
    scheduled = current.details.scheduled_time if current.is_scheduled() else None
    if scheduled is None or proposed.type not in (StateType.PENDING, StateType.RUNNING):
        return 0.0
    return max(0.0, (scheduled - now).total_seconds())


def _refusal(current: State, proposed: State, now: datetime) -> Reject | None:
    """What is cancelled does not start, nor what is paused and not resumed; without a process there is none to end."""
    has_process = not current.is_scheduled() and not (current.is_paused() and current.details.pause_reschedule)
    if proposed.is_cancelling() and not has_process:
        return Reject(Cancelled("It was cancelled while no process was at work on it."), "No process has to be ended.")
    if not proposed.is_running():
        return None
    if current.is_cancelling():
        return Reject(current, "The run is being cancelled.")
    if not current.is_paused():
        return None
    timeout = current.details.pause_timeout
    if timeout is not None and now >= timeout:
        return Reject(Failed("The flow was paused and never resumed."), "The pause has timed out.")
    return Reject(current, "The run is paused; resume it first.")
