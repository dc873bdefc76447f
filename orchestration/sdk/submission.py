"""``submit`` and ``map``: task runs that the flow's task runner takes up when what they wait for has ended."""

from contextlib import suppress
from contextvars import copy_context
from typing import Any

from orchestration.domain.errors import MappingLengthMismatch, MappingMissingIterable, MissingContextError
from orchestration.domain.states import Cancelled, State
from orchestration.sdk import upstream
from orchestration.sdk.context import FLOW_RUN, FlowRunContext
from orchestration.sdk.futures import TaskFuture, TaskFutureList
from orchestration.sdk.parameters import binder_of
from orchestration.sdk.task_engine import TaskExecution, new_task_run


def submit_task(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any, return_state: bool) -> Any:
    """A future of one run of the task; with ``return_state``, its final state."""
    future = _submit(_flow(task), new_task_run(task, binder_of(task).bind(args, kwargs), wait_for))
    return upstream.state_of(future) if return_state else future


def map_task(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any, return_state: bool) -> Any:
    """Futures of one run for each element of the iterable arguments; with ``return_state``, their final states."""
    flow, waited_for = _flow(task), tuple(wait_for or ())
    parameters = {name: _ended(value) for name, value in binder_of(task).bind(args, kwargs).items()}
    found = {name: _elements(value) for name, value in parameters.items()}
    mapped = {name: elements for name, elements in found.items() if elements is not None}
    lengths = {name: len(elements) for name, elements in mapped.items()}
    if not lengths:
        raise MappingMissingIterable(f"{task.name}.map() has no iterable argument; give a list, or call submit().")
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        why = f"{task.name}.map() has iterables of different lengths ({told})"
        raise MappingLengthMismatch(f"{why}; wrap one in unmapped().")
    futures = TaskFutureList[Any]()
    for elements in zip(*mapped.values(), strict=True):
        one = {**parameters, **dict(zip(mapped, elements, strict=True))}
        futures.append(_submit(flow, new_task_run(task, one, waited_for)))
    return [upstream.state_of(future) for future in futures] if return_state else futures


def _flow(task: Any) -> FlowRunContext:
    flow = FLOW_RUN.get()
    if flow is None:
        why = f"{task.name}.submit() and .map() need a flow around them, whose task runner does the work"
        raise MissingContextError(f"{why}; call them inside a @flow function, or call the task itself.")
    return flow


def _submit(flow: FlowRunContext, run: TaskExecution) -> TaskFuture[Any]:
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
        self.future: TaskFuture[Any] = TaskFuture(run.record)
        found = [*upstream.find(run.parameters), *upstream.find(list(run.wait_for))] if run.may_depend() else ()
        self.upstream = iter([each.leaf for each in found if not isinstance(each.leaf, State)])

    def start(self, _ended: TaskFuture[Any] | None = None) -> None:
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
    if not isinstance(value, TaskFuture | State):
        return value
    upstream.check(upstream.find(value))
    return upstream.value_of(value)


def _elements(value: Any) -> list[Any] | None:
    """What is mapped over in an argument; ``None`` when every run gets the argument as a whole."""
    if isinstance(value, upstream.allow_failure):
        elements = _elements(value.value)
        return elements and [upstream.allow_failure(element) for element in elements]
    is_whole = isinstance(value, upstream.unmapped | str | bytes) or not hasattr(value, "__iter__")
    return None if is_whole else list(value)
