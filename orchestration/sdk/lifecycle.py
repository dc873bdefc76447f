"""The life of a run, once, for flows and tasks, sync and async, and what it asks of the user's functions.

``lifecycle`` is a generator that does nothing itself: it yields what is to be done next and gets the
answer back; ``drive`` does it. Retries, cache hits, cancellations and pauses are not branches here:
they are answers to a proposal.
"""

import asyncio
import inspect
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar, cast

from orchestration.backend.clock import utc_now
from orchestration.domain import errors, functions, rules, states
from orchestration.domain.schemas.runs import FlowRun, TaskRun
from orchestration.domain.states import State, StateType
from orchestration.sdk import awaiting, context, futures, logs, parameters

Record = TypeVar("Record", bound=FlowRun | TaskRun)


class Propose(NamedTuple):
    """Ask the rules for this state; the answer is the state that the run has then."""

    state: State


class Call(NamedTuple):
    """Call the user's function; the answer is the state that its outcome asks for."""


class Sleep(NamedTuple):
    """Wait until the scheduled time of the run's state."""

    state: State


Effect = Propose | Call | Sleep
_RUN, _RETRY = Propose(states.Running()), Propose(states.Retrying())
_PAUSE_POLL_SECONDS = 0.5
TASK_RAISED = "Task run encountered an exception"
FLOW_RAISED = "Flow run encountered an exception:"
_CRASHES: dict[type[BaseException], str] = {
    KeyboardInterrupt: "Execution was aborted by an interrupt signal.",
    awaiting.Terminated: "Execution was aborted by a termination signal.",
    SystemExit: "Execution was aborted by Python system exit call.",
    errors.SuspendSignal: "The flow run was suspended inside this task.",
    asyncio.CancelledError: "Execution was cancelled by the runtime environment.",
}
_HOOKS_BY_TYPE = {
    StateType.RUNNING: "on_running_hooks", StateType.COMPLETED: "on_completion_hooks",
    StateType.FAILED: "on_failure_hooks", StateType.CRASHED: "on_crashed_hooks",
    StateType.CANCELLED: "on_cancellation_hooks", StateType.CANCELLING: "on_cancellation_hooks",
}


@dataclass(slots=True, eq=False)
class Run(ABC, Generic[Record]):
    """A flow run or task run while it lives, as the driver sees it."""

    decorated: Any
    parameters: dict[str, Any]
    record: Record
    session: context.Session

    @property
    def logger(self) -> logs.RunLogger:
        """A logger whose lines belong to the run."""
        return logs.logger_of(self.record)

    def live(self) -> State:
        """Live the run in the calling thread; the state that it ends in. What ends it from outside is raised on."""
        return asyncio.run(drive(self)) if self.decorated.isasync else awaiting.at_once(drive(self))

    @abstractmethod
    def refusal(self) -> State | None:
        """The state of a run that cannot start, for what it depends on failed or its arguments do not fit."""

    def may_wait(self, _state: State) -> bool:
        """Whether proposing this state may wait for a disk, a server or a person, which an event loop must not do."""
        return True

    @abstractmethod
    def propose(self, state: State) -> State:
        """The state that the run gets."""

    @abstractmethod
    async def call(self) -> State:
        """The outcome of the user's function; waits only when that is async."""

    @abstractmethod
    def ended_by(self, error: BaseException) -> State:
        """The state of a run that has suspended itself; any other end is recorded, and raised on."""

    @abstractmethod
    def scope(self) -> AbstractContextManager[None]:
        """What surrounds the whole life of the run."""


def lifecycle(state: State, run_count: int = 0) -> Generator[Effect, State, State]:
    """The steps of the life of a run that is in ``state`` and has started ``run_count`` times; its last state."""
    while not state.is_final():
        if state.is_cancelling():
            state = yield Propose(states.Cancelled("The run was cancelled before it started."))
            continue
        if state.is_scheduled() or state.is_paused():
            yield Sleep(state)
        state = yield (_RETRY if run_count else _RUN)
        if state.is_running():
            run_count += 1
            state = yield Propose((yield Call()))
    return state


async def drive(run: Run[Any]) -> State:
    """Live the life of a run; of sync code it waits for no event loop, of async code it never holds one up.

    What is raised this far ends the run from outside.
    """
    is_async = run.decorated.isasync
    token = functions.RUN_IS_ASYNC.set(is_async)
    try:
        state = run.record.state or states.Pending()
        refused = await awaiting.aside(is_async and run.may_wait(state), run.refusal)
        return refused or await _lived(run, lifecycle(state, run.record.run_count), is_async)
    except BaseException as error:
        return run.ended_by(error)
    finally:
        functions.RUN_IS_ASYNC.reset(token)


async def _lived(run: Run[Any], steps: Generator[Effect, Any, State], is_async: bool) -> State:
    """Take the steps of a life; its last state."""
    answer = None
    with run.scope():
        while not isinstance(effect := _next(steps, answer), State):
            if type(effect) is Propose:
                waits = is_async and run.may_wait(effect.state)
                answer = await awaiting.in_thread(run.propose, effect.state) if waits else run.propose(effect.state)
                if hooks_for(run.decorated, answer):
                    await run_hooks(run, answer, is_async)
            elif isinstance(effect, Call):
                answer = await run.call()
            elif is_async:
                await asyncio.sleep(seconds_until_due(effect.state))
            else:
                time.sleep(seconds_until_due(effect.state))  # noqa: ASYNC251 - sync code has no loop to hold up
    return effect


def _next(steps: Generator[Effect, Any, State], answer: State | None) -> Effect | State:
    """What is to be done next; after that the last state."""
    try:
        return steps.send(answer)
    except StopIteration as end:
        return cast("State", end.value)


def seconds_until_due(state: State) -> float:
    """How long a run in this state is to wait before it asks again."""
    if state.is_paused():
        return _PAUSE_POLL_SECONDS
    due = state.details.scheduled_time
    return max(0.0, (due - utc_now()).total_seconds()) if due is not None else 0.0


def hooks_for(decorated: Any, state: State) -> Sequence[Callable[..., Any]]:
    """The hooks of a flow or task that want to know of this state."""
    return cast("Sequence[Callable[..., Any]]", getattr(decorated, _HOOKS_BY_TYPE.get(state.type, ""), ()))


async def run_hooks(run: Run[Any], state: State, on_loop: bool) -> None:
    """Call the hooks for a state one after another; async ones ``on_loop``, else on an event loop of their own.

    What they raise is logged and changes nothing.
    """
    for hook in hooks_for(run.decorated, state):
        name = getattr(hook, "__name__", repr(hook))
        run.logger.info("Running hook %r in response to entering state %r", name, state.name)
        try:
            answer = hook(run.decorated, run.record, state)
            if inspect.isawaitable(answer):
                _ = await answer if on_loop else awaiting.finish(answer)
        except Exception:
            run.logger.exception("An error was encountered while running hook %r", name)
        else:
            run.logger.info("Hook %r finished running successfully", name)


async def returned(decorated: Any, given: dict[str, Any]) -> Any:
    """What the function of a flow or task returns.

    Raises:
        RunTimeoutError: it took longer than its ``timeout_seconds``.
    """
    args, kwargs = parameters.binder_of(decorated).split(given)
    if not decorated.isasync:
        if decorated.timeout_seconds is None:
            return decorated.fn(*args, **kwargs)
        return awaiting.call_within(decorated.timeout_seconds, partial(decorated.fn, *args, **kwargs))
    limit = asyncio.timeout(decorated.timeout_seconds)
    try:
        async with limit:
            return await decorated.fn(*args, **kwargs)
    except TimeoutError:
        if not limit.expired():
            raise
        raise awaiting.time_is_up(decorated.timeout_seconds) from None


def policy_of(decorated: Any, session: context.Session) -> rules.RetryPolicy:
    """The retries of a flow or task, as the settings say where its decorator does not."""

    def said(option: str) -> Any:
        own = getattr(decorated, option)
        return getattr(session.settings, f"{decorated._kind}_default_{option}") if own is None else own

    return rules.retry_policy(said("retries"), said("retry_delay_seconds") or None, decorated.retry_jitter_factor)


def wants_retry(run: Run[Any], failed: State) -> bool:
    """Whether ``retry_condition_fn``, if there is one, lets a failed run start again."""
    condition: Callable[..., Any] | None = run.decorated.retry_condition_fn
    if condition is None:
        return True
    try:
        answer = condition(run.decorated, run.record, failed)
        return bool(awaiting.finish(answer) if inspect.isawaitable(answer) else answer)
    except Exception:
        run.logger.exception("retry_condition_fn failed; the run is not retried.")
        return False


def tell_of_retry(run: Run[Any], failed: State, awaiting_retry: State) -> None:
    """Log why a run has failed, and that it starts again."""
    kind, seconds = run.decorated._kind.capitalize(), seconds_until_due(awaiting_retry)
    when = f"{seconds:.3g} second(s) from now" if seconds else "immediately"
    message = "%s run failed with exception: %r - Retry %d/%d will start %s"
    run.logger.info(message, kind, failed.data, run.record.run_count, run.record.policy.retries, when)


def state_of_value(value: Any) -> State:
    """The state that a returned value asks for.

    A state that the user made is taken as it is. States and futures of runs, alone or in a list, are
    counted: the run completed if all of them did. Anything else is the result of a completed run.
    """
    value = futures.replaced(value, futures.state_of)
    if isinstance(value, State) and value.details.task_run_id is None and value.details.flow_run_id is None:
        return value
    found = states.states_in(value)
    if not found:
        return states.Completed(data=value)
    for wanted, verdict in ((State.is_final, "are not final"), (State.is_completed, "failed")):
        others = sum(not wanted(state) for state in found)
        if others:
            return states.Failed(f"{others}/{len(found)} states {verdict}.", data=value)
    return states.Completed("All states completed.", data=value)


def answered(decorated: Any, living: Coroutine[Any, Any, State], return_state: bool) -> Any:
    """What a call of a flow or task gives once its run has lived; a call of an async one is to be awaited.

    Raises:
        UpstreamTaskError: the run could not start, and its state was not asked for.
    """

    async def answer() -> Any:
        state = await living
        if state.is_pending() and not return_state:
            raise errors.UpstreamTaskError(state.message or "The run did not start.")
        return state if return_state else state.outcome()

    return answer() if decorated.isasync else awaiting.at_once(answer())


def state_of_error(error: BaseException, subject: str) -> State:
    """The state of a run whose code raised, or that was ended from outside; ``subject`` begins its message."""
    if isinstance(error, errors.RunTimeoutError):
        return states.TimedOut(str(error), data=error)
    if isinstance(error, Exception):
        return states.Failed(logs.redact(f"{subject} {type(error).__name__}: {error}"), data=error)
    unexpected = f"Execution was interrupted by an unexpected exception: {type(error).__name__}: {error}"
    text = next((text for kind, text in _CRASHES.items() if isinstance(error, kind)), unexpected)
    return states.Crashed(logs.redact(text), data=error)
