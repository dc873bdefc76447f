"""``submit`` and ``map``: task runs that the flow's task runner takes up when what they wait for has ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from orchestration.domain.errors import MappingLengthMismatch, MappingMissingIterable, MissingContextError
from orchestration.domain.states import Cancelled, State
from orchestration.sdk import upstream
from orchestration.sdk.annotations import allow_failure, quote, unmapped
from orchestration.sdk.context import FLOW_RUN, FlowRunContext
from orchestration.sdk.decorating import Call
from orchestration.sdk.futures import TaskFuture, TaskFutureList
from orchestration.sdk.parameters import binder_of
from orchestration.sdk.task_engine import TaskExecution, new_task_run


def submit_task(task: Any, call: Call) -> Any:
    """A future of one run of the task; with ``return_state``, its final state."""
    future = _submit(_flow(task), new_task_run(task, binder_of(task).bind(call.args, call.kwargs), call.wait_for))
    if not call.return_state:
        return future
    future.wait()
    return future.state


def map_task(task: Any, call: Call) -> Any:
    """Futures of one run for each element of the iterable arguments; with ``return_state``, their final states."""
    flow = _flow(task)
    parameters = {name: _ended(value) for name, value in binder_of(task).bind(call.args, call.kwargs).items()}
    mapped = {name: _elements(value) for name, value in parameters.items() if _is_mapped(value)}
    lengths = {name: len(elements) for name, elements in mapped.items()}
    if not lengths:
        raise MappingMissingIterable(f"{task.name}.map() has no iterable argument; give a list, or call submit().")
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise MappingLengthMismatch(
            f"{task.name}.map() has iterables of different lengths ({told}); wrap one in unmapped()."
        )
    futures = TaskFutureList[Any]()
    for index in range(next(iter(lengths.values()))):
        one = {name: mapped[name][index] if name in mapped else value for name, value in parameters.items()}
        futures.append(_submit(flow, new_task_run(task, one, call.wait_for)))
    if not call.return_state:
        return futures
    futures.wait()
    return [future.state for future in futures]


def _flow(task: Any) -> FlowRunContext:
    flow = FLOW_RUN.get()
    if flow is None:
        raise MissingContextError(
            f"{task.name}.submit() and .map() need a flow around them, whose task runner does the work; "
            "call them inside a @flow function, or call the task itself."
        )
    return flow


def _submit(flow: FlowRunContext, run: TaskExecution) -> TaskFuture[Any]:
    """Hand the run to the runner as soon as the futures that it waits for have ended; nothing blocks meanwhile."""
    submitted = Submission(flow, run)
    flow.outstanding.add()
    pending = _unfinished(run)
    if not pending:
        submitted.start()
        return submitted.future
    left = _countdown(len(pending), submitted.start)
    for each in pending:
        each.add_done_callback(left)
    return submitted.future


class Submission:
    """A task run on its way through the flow's task runner."""

    __slots__ = ("context", "flow", "future", "run")

    def __init__(self, flow: FlowRunContext, run: TaskExecution) -> None:
        self.context = copy_context()
        self.flow = flow
        self.run = run
        self.future: TaskFuture[Any] = TaskFuture(run.record)

    def start(self) -> None:
        """Queue the run, now that it can start; in a flow run that is ending, it is cancelled."""
        if self.flow.outstanding.abandoned:
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
        self.future.finish()
        self.flow.outstanding.remove()


def _countdown(count: int, then: Callable[[], None]) -> Callable[[Any], None]:
    """A function that calls ``then`` when it has been called as often as there are things to wait for."""
    left = list(range(count))

    def count_down(_future: TaskFuture[Any]) -> None:
        if left.pop() == 0:  # the pop is atomic, and the last to go is the first of the list
            then()

    return count_down


def _unfinished(run: TaskExecution) -> list[TaskFuture[Any]]:
    if not run.may_depend():
        return []
    found = [*upstream.find(run.parameters), *upstream.find(list(run.wait_for))]
    return [each.leaf for each in found if not isinstance(each.leaf, State) and not each.leaf.done()]


def _ended(value: Any) -> Any:
    """The result of a future or state that is to be mapped over; anything else as it is."""
    if not isinstance(value, TaskFuture | State):
        return value
    if isinstance(value, TaskFuture):
        value.wait()
    upstream.check(upstream.find(value))
    return upstream.value_of(value)


def _is_mapped(value: Any) -> bool:
    if isinstance(value, allow_failure):
        return _is_mapped(value.value)
    if isinstance(value, unmapped | quote | str | bytes):
        return False
    return hasattr(value, "__iter__")


def _elements(value: Any) -> list[Any]:
    if isinstance(value, allow_failure):
        return [allow_failure(element) for element in _elements(value.value)]
    return list(value)
