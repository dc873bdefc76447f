"""Which proposed state a run gets: the one place where transitions are decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestration.domain.retries import NEVER, RetryPolicy
from orchestration.domain.states import TRANSITIONS, Cancelled, Failed, State, StateType, awaiting_retry


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the rules must know of the run besides its state."""

    now: datetime
    run_count: int = 0
    policy: RetryPolicy = NEVER
    retriable: bool = True
    unit_random: float = 0.0


@dataclass(frozen=True, slots=True)
class Accept:
    """The proposed state becomes the run's."""

    state: State


@dataclass(frozen=True, slots=True)
class Reject:
    """Another state becomes, or stays, the run's."""

    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing changes; propose again after ``seconds``."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
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
        return Reject(awaiting_retry(attempt.now, delay, proposed.message), "Retrying")
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
