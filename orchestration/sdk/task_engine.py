"""A task run: what the driver of ``lifecycle`` asks of it, and how a call of a task becomes one.

``submit`` and ``map``: task runs that the flow's task runner takes up when what they wait for has ended.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import copy_context
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestration.backend.clock import DICE, new_id, utc_now
from orchestration.domain import errors, rules
from orchestration.domain.schemas.runs import TaskRun
from orchestration.domain.states import Cancelled, Pending, State, StateDetails, StateType
from orchestration.sdk import awaiting, concurrency, futures, lifecycle, logs, parameters, task_results, transactions
from orchestration.sdk.context import FLOW_RUN, TAGS, TASK_RUN, FlowRunContext, Session, TaskRunContext, within


def call_task(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any, return_state: Any) -> Any:
    """Run a task in the calling thread, or as a coroutine when it is async."""
    run = new_task_run(task, parameters.binder_of(task).bind(args, kwargs), wait_for)
    return lifecycle.answered(task, lifecycle.drive(run), return_state)


def new_task_run(task: Any, given: dict[str, Any], wait_for: Any) -> TaskExecution:
    """A task run of these arguments, known to the store as Pending."""
    flow = FLOW_RUN.get()
    session = flow.session if flow is not None else logs.started_session()
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

    # -- what the driver asks ---------------------------------------------------------------------

    def refusal(self) -> State | None:
        """Wait for what the run depends on and put its results in place, unless something did not complete."""
        if not self.may_depend():
            return None
        if self.flow is not None:
            self.record.task_inputs = futures.task_inputs(self.parameters, self.wait_for, self.flow.produced)
        try:
            self.parameters = futures.resolved(self.parameters, self.wait_for)
            return None
        except errors.UpstreamTaskError as error:
            return self.note(Pending(str(error), name="NotReady"), utc_now())

    def may_depend(self) -> bool:
        """Whether any argument could hold a future, a state, a mark, or another run's result."""
        produced = self.flow.produced if self.flow is not None else None
        return bool(self.wait_for or produced or not parameters.PLAIN.issuperset(map(type, self.parameters.values())))

    def scope(self) -> AbstractContextManager[None]:
        """Name the run, now that its arguments are known."""
        if self.decorated.task_run_name is not None:
            self.record.name = parameters.given_name(self.decorated.task_run_name, self.parameters, "task_run_name")
        return _NOTHING_AROUND

    def may_wait(self, state: State) -> bool:
        """Whether proposing this state looks into a cache or asks the user's code."""
        return self.options.persist or (state.is_failed() and self.decorated.retry_condition_fn is not None)

    def propose(self, state: State) -> State:
        """Decide here, by the rules that the store goes by, and leave the writing to the recorder."""
        if state.type is StateType.RUNNING and self.options.persist:
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
            lifecycle.tell_of_retry(self, state, decision.state)
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
                    waits = task_results.needs_transaction(self) or any(futures.find(value))
                    return await awaiting.aside(waits, self._outcome, value)
            except BaseException as error:
                task_results.undo(self)
                if not isinstance(error, Exception):
                    raise  # such as Ctrl-C, which ends the run from outside
                return lifecycle.state_of_error(error, lifecycle.TASK_RAISED)

    def ended_by(self, error: BaseException) -> State:
        """End the run as Crashed, or as Failed when the engine itself refused something; raises the error.

        A task cannot be suspended; the flow around it is, and takes the task with it.
        """
        if not self.record.state.is_final():
            self.enter(lifecycle.state_of_error(error, lifecycle.TASK_RAISED))
        raise error

    # -- one step each ----------------------------------------------------------------------------

    def _inside(self) -> within:
        """What surrounds the task's function."""
        log_prints = logs.are_logged(self.decorated, self.flow, self.session.settings)
        context = TaskRunContext(self.record, self.session, self.parameters, self.decorated.name, log_prints)
        return within((TASK_RUN, context), (transactions.ACTIVE, self.open_transaction))

    def enter(self, state: State, now: datetime | None = None) -> State:
        """Take a state and keep the run's times and counts in step with it."""
        now = now or utc_now()
        keep_in_step(self.record, state, now)
        noted = self.note(state, now)
        if state.is_final():
            level = logging.INFO if state.is_completed() else logging.ERROR
            logs.tell(self.record, level, f"Finished in state {noted}")
        return noted

    def _outcome(self, value: Any) -> State:
        """The state of a returned value, written to storage when it is to be kept."""
        state = lifecycle.state_of_value(value)
        if not state.is_completed():
            return state
        if self.flow is not None:
            self.flow.produced.remember(state.data, self.record.id)
        return task_results.committed(self, state)


def new_record(name: str, task_key: str, flow: FlowRunContext | None, session: Session, **more: Any) -> TaskRun:
    """The record of a task run, known to the store as Pending."""
    run_id = new_id()
    flow_run_id, number = None, run_id.hex
    if flow is not None:
        flow_run_id, number = flow.run.id, str(next(flow.task_calls[task_key]))
        more["flow_run_run_count"] = flow.run.run_count
    name, details = f"{name}-{number[-8:]}", StateDetails(flow_run_id, run_id)
    record = TaskRun(
        id=run_id, flow_run_id=flow_run_id, name=name, task_key=task_key, dynamic_key=number, created=utc_now(),
        details=details, **more,
    )  # fmt: skip
    session.recorder.note(record)
    return record


def keep_in_step(record: TaskRun, state: State, now: datetime) -> None:
    """Count and time a task run that is about to enter a state."""
    before = record.state
    if before.type is StateType.RUNNING and before.timestamp is not None:
        record.total_run_time += (now - before.timestamp).total_seconds()
    if state.type is StateType.RUNNING:
        record.run_count += 1
        record.start_time = record.start_time or now
    if state.is_final():
        record.end_time = now


def new_parent(flow: Any, given: dict[str, Any]) -> TaskRun | None:
    """The task run that stands for a subflow in the flow run around it; ``None`` for a flow that no flow called."""
    outer = FLOW_RUN.get()
    if outer is None:
        return None
    inputs = futures.task_inputs(given, (), outer.produced)
    return new_record(flow.name, flow.name, outer, outer.session, task_inputs=inputs)


def mirror(parent: TaskRun, session: Session, state: State, flow_run_id: UUID) -> None:
    """Let the task run that stands for a subflow enter the state that the subflow has entered."""
    now = utc_now()
    keep_in_step(parent, state, now)
    details = StateDetails(parent.flow_run_id, parent.id, flow_run_id)
    session.recorder.note(parent, state.evolve(id=new_id(), timestamp=now, details=details, data=None))


def submit_task(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any, return_state: bool) -> Any:
    """A future of one run of the task; with ``return_state``, its final state."""
    future = _submit(_flow(task), new_task_run(task, parameters.binder_of(task).bind(args, kwargs), wait_for))
    return futures.state_of(future) if return_state else future


def map_task(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any, return_state: bool) -> Any:
    """Futures of one run for each element of the iterable arguments; with ``return_state``, their final states."""
    flow, waited_for = _flow(task), tuple(wait_for or ())
    given = {name: _ended(value) for name, value in parameters.binder_of(task).bind(args, kwargs).items()}
    found = {name: _elements(value) for name, value in given.items()}
    mapped = {name: elements for name, elements in found.items() if elements is not None}
    lengths = {name: len(elements) for name, elements in mapped.items()}
    if not lengths:
        raise errors.MappingMissingIterable(f"{task.name}.map() has no iterable; give a list, or call submit().")
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise errors.MappingLengthMismatch(f"{task.name}.map() has different lengths ({told}); use unmapped().")
    submitted = futures.TaskFutureList[Any]()
    for elements in zip(*mapped.values(), strict=True):
        one = {**given, **dict(zip(mapped, elements, strict=True))}
        submitted.append(_submit(flow, new_task_run(task, one, waited_for)))
    return [futures.state_of(future) for future in submitted] if return_state else submitted


def _flow(task: Any) -> FlowRunContext:
    flow = FLOW_RUN.get()
    if flow is None:
        raise errors.MissingContextError(f"{task.name}.submit() and .map() need a flow around them; or call the task.")
    return flow


def _submit(flow: FlowRunContext, run: TaskExecution) -> futures.TaskFuture[Any]:
    """Hand the run to the runner as soon as the futures that it waits for have ended; nothing blocks meanwhile."""
    submission = Submission(flow, run)
    flow.outstanding.add(submission.future)
    submission.start()
    return submission.future


class Submission:
    """A task run on its way through the flow's task runner."""

    __slots__ = ("context", "flow", "future", "run", "upstream")

    def __init__(self, flow: FlowRunContext, run: TaskExecution) -> None:
        self.context = copy_context()
        self.flow = flow
        self.run = run
        self.future: futures.TaskFuture[Any] = futures.TaskFuture(run.record)
        found = [*futures.find(run.parameters), *futures.find(list(run.wait_for))] if run.may_depend() else ()
        self.upstream = iter([leaf for leaf, _ in found if not isinstance(leaf, State)])

    def start(self, _ended: futures.TaskFuture[Any] | None = None) -> None:
        """Queue the run, or come back when the next future that it waits for has ended.

        In a flow run that is ending, it is cancelled.
        """
        for future in self.upstream:
            if not future.done():
                future.add_done_callback(self.start)
                return
        if self.flow.is_ending:
            self.run.enter(Cancelled("The flow run ended before this task run could start."))
            self.done()
        else:
            self.flow.runner.submit(self)

    def live(self) -> None:
        """Run the task to its end in the calling thread."""
        with suppress(BaseException):  # the run's state tells of it, and the worker thread must go on
            self.context.run(self.run.live)
        self.done()

    def done(self) -> None:
        """Tell all who wait that the run has ended."""
        self.flow.outstanding.discard(self.future)
        self.future.finish()


def _ended(value: Any) -> Any:
    """The result of a future or state that is to be mapped over; anything else as it is."""
    if not isinstance(value, futures.TaskFuture | State):
        return value
    futures.check(futures.find(value))
    return futures.value_of(value)


def _elements(value: Any) -> list[Any] | None:
    """What is mapped over in an argument; ``None`` when every run gets the argument as a whole."""
    if isinstance(value, futures.allow_failure):
        elements = _elements(value.value)
        return elements and [futures.allow_failure(element) for element in elements]
    is_whole = isinstance(value, futures.unmapped | str | bytes) or not hasattr(value, "__iter__")
    return None if is_whole else list(value)
