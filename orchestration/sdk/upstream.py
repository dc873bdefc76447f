"""What a run depends on: futures and states among its arguments, marked or not, and values of other runs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from orchestration.domain.errors import UpstreamTaskError
from orchestration.domain.states import State
from orchestration.sdk.context import Produced
from orchestration.sdk.futures import TaskFuture

Leaf = TaskFuture[Any] | State
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Mark(Generic[T]):
    """An argument, and what the engine is to know of it."""

    value: T


class unmapped(Mark[T]):
    """An argument of ``map`` that every call gets as a whole."""


class allow_failure(Mark[T]):
    """An upstream task run that may fail; its exception is then the argument."""


class Upstream(NamedTuple):
    """A future or state that was found, and whether its failure is allowed."""

    leaf: Leaf
    failure_allowed: bool


def find(value: Any, failure_allowed: bool = False) -> Iterator[Upstream]:
    """The futures and states in a value: itself, or within marks, lists, tuples, sets and mappings."""
    if isinstance(value, TaskFuture | State):
        yield Upstream(value, failure_allowed)
    elif isinstance(value, Mark):
        yield from find(value.value, failure_allowed or isinstance(value, allow_failure))
    elif isinstance(value, list | tuple | set | frozenset | dict):
        for item in value.values() if isinstance(value, dict) else value:
            if not isinstance(item, str | int | float):
                yield from find(item, failure_allowed)


def replaced(value: Any, leaf: Callable[[Leaf], Any]) -> Any:
    """The value with each future and state in it exchanged; the very same object when it has none."""
    if isinstance(value, TaskFuture | State):
        return leaf(value)
    if isinstance(value, Mark):
        return replaced(value.value, leaf)
    if not isinstance(value, list | tuple | set | frozenset | dict):
        return value
    items = list(value.values() if isinstance(value, dict) else value)
    changed = [item if isinstance(item, str | int | float) else replaced(item, leaf) for item in items]
    if all(map(is_, items, changed)):
        return value
    if isinstance(value, dict):
        return dict(zip(value, changed, strict=True))
    kind: Any = type(value)
    return kind(*changed) if hasattr(value, "_fields") else kind(changed)


def state_of(leaf: Leaf) -> State:
    """A state itself, or that in which a future's run has ended."""
    if isinstance(leaf, State):
        return leaf
    leaf.wait()
    return leaf.state


def check(found: Iterable[Upstream]) -> None:
    """Wait for all that was found, and refuse to go on when something that must have completed has not.

    Raises:
        UpstreamTaskError: naming the run.
    """
    for each in found:
        state = state_of(each.leaf)
        if not state.is_completed() and not (each.failure_allowed and state.is_final()):
            raise UpstreamTaskError(f"Upstream task run '{_run_id(each.leaf)}' did not reach a 'COMPLETED' state.")


def resolved(parameters: Mapping[str, Any], wait_for: Iterable[Any]) -> dict[str, Any]:
    """The parameters with results in the place of futures and states, once all of them have ended.

    Raises:
        UpstreamTaskError: one of them did not complete.
    """
    check([*find(dict(parameters)), *find(list(wait_for))])
    return {name: replaced(value, value_of) for name, value in parameters.items()}


def value_of(leaf: Leaf) -> Any:
    """The result of an ended run, or the exception it ended with."""
    return state_of(leaf).outcome(raise_on_failure=False)


def task_inputs(parameters: Mapping[str, Any], wait_for: Iterable[Any], produced: Produced) -> dict[str, Any]:
    """By argument, the task runs whose results it has; in the form that a task run's document shows."""
    inputs = {}
    for name, value in (*parameters.items(), ("wait_for", list(wait_for))):
        found = [_run_id(each.leaf) for each in find(value)] + [produced.maker(value)]
        runs = [{"input_type": "task_run", "id": str(run_id)} for run_id in found if run_id is not None]
        if runs:
            inputs[name] = runs
    return inputs


def _run_id(leaf: Leaf) -> UUID | None:
    return leaf.details.task_run_id if isinstance(leaf, State) else leaf.task_run_id
