"""The life of a run, once, for flows and tasks, sync and async.

``lifecycle`` is a generator that does nothing itself: it yields what is to be done next and gets the
answer back; ``drive`` does it. Retries, cache hits, cancellations and pauses are not branches here:
they are answers to a proposal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from orchestration.backend.clock import utc_now
from orchestration.domain.awaitable import RUN_IS_ASYNC
from orchestration.domain.errors import SuspendSignal
from orchestration.domain.states import Cancelled, Retrying, Running, State
from orchestration.sdk.awaiting import in_thread
from orchestration.sdk.user_code import Told, hooks_for, run_hooks


@dataclass(frozen=True, slots=True)
class Propose:
    """Ask the rules for this state; the answer is the state that the run has then."""

    state: State


@dataclass(frozen=True, slots=True)
class Call:
    """Call the user's function; the answer is the state that its outcome asks for."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait until the scheduled time of the run's state."""

    state: State


Effect = Propose | Call | Sleep
_CALL = Call()
_RUN, _RETRY = Propose(Running()), Propose(Retrying())
_PAUSE_POLL_SECONDS = 0.5


class Run(Told, Protocol):
    """What the driver asks of a flow run or task run."""

    def may_wait(self, state: State) -> bool:
        """Whether proposing this state may wait for a disk, a server or a person, which an event loop must not do."""

    def propose(self, state: State) -> State:
        """The state that the run gets."""

    async def call(self) -> State:
        """The outcome of the user's function; waits only when that is async."""

    def crash(self, error: BaseException) -> None:
        """Record that the run was ended from outside."""

    def suspended(self) -> State:
        """The state in which the run's code has asked to be left."""

    def scope(self) -> AbstractContextManager[None]:
        """What surrounds the whole life of the run."""


def lifecycle(state: State, run_count: int = 0) -> Generator[Effect, State, State]:
    """The steps of the life of a run that is in ``state`` and has started ``run_count`` times; its last state."""
    while not state.is_final():
        if state.is_cancelling():
            state = yield Propose(Cancelled("The run was cancelled before it started."))
            continue
        if state.is_scheduled() or state.is_paused():
            yield Sleep(state)
        state = yield (_RETRY if run_count else _RUN)
        if state.is_running():
            run_count += 1
            state = yield Propose((yield _CALL))
    return state


async def drive(run: Run, state: State, run_count: int = 0) -> State:
    """Live the life of a run; of sync code it waits for no event loop, of async code it never holds one up.

    A suspension ends the life without an error; anything else that gets this far crashes the run.
    """
    is_async = run.decorated.isasync
    token = RUN_IS_ASYNC.set(is_async)
    try:
        with run.scope():
            steps = lifecycle(state, run_count)
            effect = _next(steps, None)
            while not isinstance(effect, State):
                if type(effect) is Propose:
                    waits = is_async and run.may_wait(effect.state)
                    answer = await in_thread(run.propose, effect.state) if waits else run.propose(effect.state)
                    if hooks_for(run.decorated, answer):
                        await run_hooks(run, answer, is_async)
                else:
                    answer = await (_due(effect.state, is_async) if type(effect) is Sleep else run.call())
                effect = _next(steps, answer)
            return effect
    except SuspendSignal:
        return run.suspended()
    except BaseException as error:
        run.crash(error)
        raise
    finally:
        RUN_IS_ASYNC.reset(token)


async def _due(state: State, is_async: bool) -> State:
    """The state of a run, once it is time to ask again."""
    seconds = seconds_until_due(state)
    if is_async:
        await asyncio.sleep(seconds)
    else:
        time.sleep(seconds)  # noqa: ASYNC251 - sync code has no event loop to hold up
    return state


def _next(steps: Generator[Effect, Any, State], answer: State | None) -> Effect | State:
    """What is to be done next; after that the last state."""
    try:
        return steps.send(answer)
    except StopIteration as end:
        last: State = end.value
        return last


def seconds_until_due(state: State) -> float:
    """How long a run in this state is to wait before it asks again."""
    if state.is_paused():
        return _PAUSE_POLL_SECONDS
    due = state.details.scheduled_time
    return max(0.0, (due - utc_now()).total_seconds()) if due is not None else 0.0
