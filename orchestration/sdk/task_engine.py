"""A task run: what the drivers of ``lifecycle`` ask of it, and how a call of a task becomes one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Any

from orchestration.backend.clock import DICE, new_id, utc_now
from orchestration.domain.errors import SuspendSignal, UpstreamTaskError
from orchestration.domain.rules import Abort as Refused, Attempt, Wait, decide
from orchestration.domain.schemas.recording import TaskRunRecord
from orchestration.domain.states import Pending, State, StateDetails, StateType
from orchestration.sdk import upstream
from orchestration.sdk.awaiting import in_thread
from orchestration.sdk.concurrency import tag_slots
from orchestration.sdk.context import FLOW_RUN, TAGS, TASK_RUN, TaskRunContext, task_log_fields
from orchestration.sdk.decorating import Call
from orchestration.sdk.lifecycle import adrive, drive
from orchestration.sdk.logs import TASK_LOGGER, tell
from orchestration.sdk.naming import given_name
from orchestration.sdk.outcomes import TASK_RAISED, answer, state_of_error, state_of_value
from orchestration.sdk.parameters import binder_of
from orchestration.sdk.printing import are_logged
from orchestration.sdk.start import started_session
from orchestration.sdk.task_results import LivingTask, committed, from_cache, needs_transaction, undo
from orchestration.sdk.transactions import ACTIVE
from orchestration.sdk.user_code import areturned, policy_of, returned, tell_of_retry, wants_retry


def call_task(task: Any, call: Call) -> Any:
    """Run a task in the calling thread, or as a coroutine when it is async."""
    run = new_task_run(task, binder_of(task).bind(call.args, call.kwargs), call.wait_for)
    if task.isasync:
        return _acall(run, call.return_state)
    run.live()
    return answer(run.record.state, call.return_state)


async def _acall(run: TaskExecution, return_state: bool) -> Any:
    await run.alive()
    return answer(run.record.state, return_state)


def new_task_run(task: Any, parameters: dict[str, Any], wait_for: tuple[Any, ...] = ()) -> TaskExecution:
    """A task run of these arguments, known to the store as Pending."""
    flow = FLOW_RUN.get()
    session = flow.session if flow is not None else started_session()
    if task._policy is None:
        task._policy = policy_of(task, session)
    number = str(flow.next_call(task.task_key)) if flow is not None else new_id().hex
    run_id, flow_run_id = new_id(), flow.run.id if flow is not None else None
    record = TaskRunRecord(
        id=run_id,
        flow_run_id=flow_run_id,
        name=f"{task.name}-{number[-8:]}",
        task_key=task.task_key,
        dynamic_key=number,
        created=utc_now(),
        task_version=task.version,
        policy=task._policy,
        tags=sorted(task.tags | TAGS.get()) if task.tags or TAGS.get() else (),
        flow_run_run_count=flow.run.run_count if flow is not None else 0,
        details=StateDetails(flow_run_id=flow_run_id, task_run_id=run_id),
    )
    session.recorder.add(record)
    return TaskExecution(task, parameters, record, session, flow, wait_for)


_NOTHING_AROUND = nullcontext()


class TaskExecution(LivingTask):
    """One task run while it lives, as the drivers see it."""

    __slots__ = ()

    # -- from start to end ------------------------------------------------------------------------

    def live(self) -> None:
        """Run the task to its end, whatever the end is; the error of a crash is raised on."""
        if self.decorated.isasync:
            asyncio.run(self.alive())
        elif self._is_ready_or_crash():
            drive(self, self.record.state)

    async def alive(self) -> None:
        """The same on an event loop."""
        if self._is_ready_or_crash():
            await adrive(self, self.record.state)

    def _is_ready_or_crash(self) -> bool:
        try:
            return self.is_ready()
        except BaseException as error:
            self.crash(error)
            raise

    def is_ready(self) -> bool:
        """Wait for what the run depends on and put its results in place; false if something did not complete."""
        if not self.may_depend():
            return True
        if self.flow is not None:
            self.record.task_inputs = upstream.task_inputs(self.parameters, self.wait_for, self.flow.produced)
        try:
            self.parameters = upstream.resolved(self.parameters, self.wait_for)
        except UpstreamTaskError as error:
            self.note(Pending(str(error), name="NotReady"), utc_now())
            return False
        return True

    def may_depend(self) -> bool:
        """Whether any argument could hold a future, a state, a mark, or another run's result."""
        produced = self.flow.produced if self.flow is not None else None
        return bool(self.wait_for or produced or (self.parameters and any(map(_may_hold, self.parameters.values()))))

    # -- what the drivers ask ---------------------------------------------------------------------

    def scope(self) -> AbstractContextManager[None]:
        """Name the run, now that its arguments are known."""
        if self.decorated.task_run_name is not None:
            self.record.name = given_name(self.decorated.task_run_name, self.parameters, "task_run_name")
        return _NOTHING_AROUND

    def may_wait(self, state: State) -> bool:
        """Whether proposing this state looks into a cache or asks the user's code."""
        return self.is_kept or (state.is_failed() and self.decorated.retry_condition_fn is not None)

    def propose(self, state: State) -> State:
        """Decide here, by the rules that the store goes by, and leave the writing to the recorder."""
        if state.type is StateType.RUNNING and self.is_kept:
            cached = from_cache(self)
            if cached is not None:
                return self.enter(cached)
        record = self.record
        now = utc_now()
        retriable = (
            state.type is StateType.FAILED and record.policy.allows(record.run_count) and wants_retry(self, state)
        )
        attempt = Attempt(now, record.run_count, record.policy, retriable, DICE.random())
        decision = decide(record.state, state, attempt)
        if isinstance(decision, Wait | Refused):
            return record.state
        if decision.state.name == "AwaitingRetry":
            due = decision.state.details.scheduled_time
            seconds = (due - now).total_seconds() if due is not None else 0.0
            tell_of_retry(self, state, f"{seconds:.3g} second(s) from now" if seconds else "immediately")
        return self.enter(decision.state, now)

    def call(self) -> State:
        """The outcome of the task's function, in its context and its time limit."""
        with self._inside():
            try:
                with tag_slots(self.session, self.record.tags):
                    return self._outcome(returned(self.decorated, self.parameters))
            except BaseException as error:
                return self._failure(error)

    async def acall(self) -> State:
        """The same for an async function; what waits for a disk or for other runs waits in a thread."""
        with self._inside():
            try:
                async with tag_slots(self.session, self.record.tags):
                    value = await areturned(self.decorated, self.parameters)
                    if needs_transaction(self) or any(upstream.find(value)):
                        return await in_thread(self._outcome, value)
                    return self._outcome(value)
            except BaseException as error:
                return self._failure(error)

    def crash(self, error: BaseException) -> None:
        """End the run as Crashed, or as Failed when the engine itself refused something."""
        if not self.record.state.is_final():
            self.enter(state_of_error(error, TASK_RAISED))

    def suspended(self) -> State:
        """A task cannot be suspended; the flow around it is, and takes the task with it."""
        self.crash(SuspendSignal("The flow run was suspended inside this task."))
        raise SuspendSignal

    # -- one step each ----------------------------------------------------------------------------

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """What surrounds the task's function."""
        log_prints = are_logged(self.decorated, self.flow, self.session.settings)
        context = TaskRunContext(self.record, self.session, self.parameters, self.decorated.name, log_prints)
        tokens = TASK_RUN.set(context), ACTIVE.set(self)
        try:
            yield
        finally:
            TASK_RUN.reset(tokens[0])
            ACTIVE.reset(tokens[1])

    def _failure(self, error: BaseException) -> State:
        """The state of a function that raised; what is no exception, such as Ctrl-C, is raised on."""
        undo(self)
        if not isinstance(error, Exception):
            raise error
        return state_of_error(error, TASK_RAISED)

    def enter(self, state: State, now: datetime | None = None) -> State:
        """Take a state and keep the run's times and counts in step with it."""
        record, now = self.record, now or utc_now()
        before = record.state
        if before.type is StateType.RUNNING and before.timestamp is not None:
            record.total_run_time += (now - before.timestamp).total_seconds()
        if state.type is StateType.RUNNING:
            record.run_count += 1
            record.start_time = record.start_time or now
        if state.is_final():
            record.end_time = now
        noted = self.note(state, now)
        if state.is_final():
            level = logging.INFO if state.is_completed() else logging.ERROR
            tell(TASK_LOGGER, level, f"Finished in state {noted}", task_log_fields(self.record))
        return noted

    def _outcome(self, value: Any) -> State:
        """The state of a returned value, written to storage when it is to be kept."""
        state = state_of_value(value)
        if not state.is_completed():
            return state
        if self.flow is not None:
            self.flow.produced.remember(state.data, self.record.id)
        return committed(self, state)


def _may_hold(value: Any) -> bool:
    return not isinstance(value, str | int | float | bytes | type(None))
