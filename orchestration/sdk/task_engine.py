"""A task run: what the driver of ``lifecycle`` asks of it, and how a call of a task becomes one."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestration.backend.clock import DICE, new_id, utc_now
from orchestration.domain import errors, rules
from orchestration.domain.schemas.runs import TaskRunRecord
from orchestration.domain.states import Pending, State, StateDetails, StateType
from orchestration.sdk import awaiting, concurrency, lifecycle, logs, parameters, task_results, transactions, upstream
from orchestration.sdk.context import FLOW_RUN, TAGS, TASK_RUN, FlowRunContext, TaskRunContext, task_log_fields, within
from orchestration.sdk.session import Session
from orchestration.sdk.start import started_session


def call_task(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any, return_state: Any) -> Any:
    """Run a task in the calling thread, or as a coroutine when it is async."""
    run = new_task_run(task, parameters.binder_of(task).bind(args, kwargs), wait_for)
    return lifecycle.answered(task, run.alive(), return_state)


def new_task_run(task: Any, given: dict[str, Any], wait_for: Any) -> TaskExecution:
    """A task run of these arguments, known to the store as Pending."""
    flow = FLOW_RUN.get()
    session = flow.session if flow is not None else started_session()
    if task._policy is None:
        task._policy = lifecycle.policy_of(task, session)
    tags = sorted(task.tags | TAGS.get()) if task.tags or TAGS.get() else ()
    facts = {"task_version": task.version, "policy": task._policy, "tags": tags}
    record = new_record(task.name, task.task_key, flow, session, **facts)
    return TaskExecution(task, given, record, session, flow, tuple(wait_for or ()))


_NOTHING_AROUND = nullcontext()


class TaskExecution(task_results.LivingTask):
    """One task run while it lives, as its driver sees it."""

    __slots__ = ()

    # -- from start to end ------------------------------------------------------------------------

    def live(self) -> None:
        """Run the task to its end in the calling thread, whatever the end is; the error of a crash is raised on."""
        _ = asyncio.run(self.alive()) if self.decorated.isasync else awaiting.at_once(self.alive())

    async def alive(self) -> State:
        """The state that the run ends in; as in ``live``."""
        try:
            is_ready = self.is_ready()
        except BaseException as error:
            self.crash(error)
            raise
        return await lifecycle.drive(self, self.record.state) if is_ready else self.record.state

    def is_ready(self) -> bool:
        """Wait for what the run depends on and put its results in place; false if something did not complete."""
        if not self.may_depend():
            return True
        if self.flow is not None:
            self.record.task_inputs = upstream.task_inputs(self.parameters, self.wait_for, self.flow.produced)
        try:
            self.parameters = upstream.resolved(self.parameters, self.wait_for)
        except errors.UpstreamTaskError as error:
            self.note(Pending(str(error), name="NotReady"), utc_now())
            return False
        return True

    def may_depend(self) -> bool:
        """Whether any argument could hold a future, a state, a mark, or another run's result."""
        produced = self.flow.produced if self.flow is not None else None
        return bool(self.wait_for or produced or (self.parameters and any(map(_may_hold, self.parameters.values()))))

    # -- what the driver asks ---------------------------------------------------------------------

    def scope(self) -> AbstractContextManager[None]:
        """Name the run, now that its arguments are known."""
        if self.decorated.task_run_name is not None:
            self.record.name = parameters.given_name(self.decorated.task_run_name, self.parameters, "task_run_name")
        return _NOTHING_AROUND

    def may_wait(self, state: State) -> bool:
        """Whether proposing this state looks into a cache or asks the user's code."""
        return self.is_kept or (state.is_failed() and self.decorated.retry_condition_fn is not None)

    def propose(self, state: State) -> State:
        """Decide here, by the rules that the store goes by, and leave the writing to the recorder."""
        if state.type is StateType.RUNNING and self.is_kept:
            cached = task_results.from_cache(self)
            if cached is not None:
                return self.enter(cached)
        record, now = self.record, utc_now()
        may_retry = state.type is StateType.FAILED and record.policy.allows(record.run_count)
        retriable = may_retry and lifecycle.wants_retry(self, state)
        attempt = rules.Attempt(now, record.run_count, record.policy, retriable, DICE.random())
        decision = rules.decide(record.state, state, attempt)
        if isinstance(decision, rules.Wait | rules.Abort):
            return record.state
        if decision.state.name == "AwaitingRetry":
            due = decision.state.details.scheduled_time
            seconds = (due - now).total_seconds() if due is not None else 0.0
            when = f"{seconds:.3g} second(s) from now" if seconds else "immediately"
            lifecycle.tell_of_retry(self, state, when)
        return self.enter(decision.state, now)

    async def call(self) -> State:
        """The outcome of the task's function, in its context and its time limit.

        What waits for a disk or for other runs waits in a thread when the function is async.
        """
        with self._inside():
            try:
                slots = concurrency.tag_slots(self.session, self.record.tags)
                if not self.decorated.isasync:
                    with slots:
                        return self._outcome(await lifecycle.returned(self.decorated, self.parameters))
                async with slots:
                    value = await lifecycle.returned(self.decorated, self.parameters)
                    waits = task_results.needs_transaction(self) or any(upstream.find(value))
                    return await awaiting.aside(waits, self._outcome, value)
            except BaseException as error:
                task_results.undo(self)
                if not isinstance(error, Exception):
                    raise  # such as Ctrl-C, which ends the run from outside
                return lifecycle.state_of_error(error, lifecycle.TASK_RAISED)

    def crash(self, error: BaseException) -> None:
        """End the run as Crashed, or as Failed when the engine itself refused something."""
        if not self.record.state.is_final():
            self.enter(lifecycle.state_of_error(error, lifecycle.TASK_RAISED))

    def suspended(self) -> State:
        """A task cannot be suspended; the flow around it is, and takes the task with it."""
        self.crash(errors.SuspendSignal("The flow run was suspended inside this task."))
        raise errors.SuspendSignal

    # -- one step each ----------------------------------------------------------------------------

    def _inside(self) -> within:
        """What surrounds the task's function."""
        log_prints = logs.are_logged(self.decorated, self.flow, self.session.settings)
        context = TaskRunContext(self.record, self.session, self.parameters, self.decorated.name, log_prints)
        return within((TASK_RUN, context), (transactions.ACTIVE, self))

    def enter(self, state: State, now: datetime | None = None) -> State:
        """Take a state and keep the run's times and counts in step with it."""
        now = now or utc_now()
        keep_in_step(self.record, state, now)
        noted = self.note(state, now)
        if state.is_final():
            level = logging.INFO if state.is_completed() else logging.ERROR
            logs.tell(logs.TASK_LOGGER, level, f"Finished in state {noted}", task_log_fields(self.record))
        return noted

    def _outcome(self, value: Any) -> State:
        """The state of a returned value, written to storage when it is to be kept."""
        state = lifecycle.state_of_value(value)
        if not state.is_completed():
            return state
        if self.flow is not None:
            self.flow.produced.remember(state.data, self.record.id)
        return task_results.committed(self, state)


def _may_hold(value: Any) -> bool:
    return not isinstance(value, str | int | float | bytes | type(None))


def new_record(name: str, task_key: str, flow: FlowRunContext | None, session: Session, **more: Any) -> TaskRunRecord:
    """The record of a task run, known to the store as Pending."""
    run_id, flow_run_id, number = new_id(), None, ""
    if flow is not None:
        flow_run_id, number = flow.run.id, str(next(flow.task_calls[task_key]))
        more["flow_run_run_count"] = flow.run.run_count
    details = StateDetails(flow_run_id=flow_run_id, task_run_id=run_id)
    number = number or new_id().hex
    name = f"{name}-{number[-8:]}"
    record = TaskRunRecord(run_id, flow_run_id, name, task_key, number, utc_now(), details=details, **more)
    session.recorder.add(record)
    return record


def keep_in_step(record: TaskRunRecord, state: State, now: datetime) -> None:
    """Count and time a task run that is about to enter a state."""
    before = record.state
    if before.type is StateType.RUNNING and before.timestamp is not None:
        record.total_run_time += (now - before.timestamp).total_seconds()
    if state.type is StateType.RUNNING:
        record.run_count += 1
        record.start_time = record.start_time or now
    if state.is_final():
        record.end_time = now


def new_parent(flow: Any, parameters: dict[str, Any]) -> TaskRunRecord | None:
    """The task run that stands for a subflow in the flow run around it; ``None`` for a flow that no flow called."""
    outer = FLOW_RUN.get()
    if outer is None:
        return None
    inputs = upstream.task_inputs(parameters, (), outer.produced)
    return new_record(flow.name, flow.name, outer, outer.session, task_inputs=inputs)


def mirror(parent: TaskRunRecord, session: Session, state: State, flow_run_id: UUID) -> None:
    """Let the task run that stands for a subflow enter the state that the subflow has entered."""
    now = utc_now()
    keep_in_step(parent, state, now)
    details = StateDetails(parent.flow_run_id, parent.id, flow_run_id)
    session.recorder.note(parent, state.evolve(id=new_id(), timestamp=now, details=details, data=None))
