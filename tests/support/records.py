"""Runs, states and rows for tests of the store, each with just what a test speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from orchestration.backend.clock import new_id
from orchestration.domain.schemas.runs import Batch, FlowRun, LogRow, TaskRun, TaskRunChange
from orchestration.domain.states import Pending, State, StateDetails

BORN = datetime(2024, 5, 17, 8, 30, tzinfo=UTC)


def later(seconds: float) -> datetime:
    """That long after ``BORN``."""
    return BORN + timedelta(seconds=seconds)


def flow_run(**fields: Any) -> FlowRun:
    """A new flow run, Pending unless told otherwise."""
    given: dict[str, Any] = {
        "id": new_id(), "flow_id": new_id(), "name": "light-boar", "created": BORN, "flow_name": "train",
        "state": Pending(), **fields,
    }  # fmt: skip
    return FlowRun(**given)


def task_record(flow_run_id: UUID | None = None, **fields: Any) -> TaskRun:
    """A task run that was just born."""
    run_id = fields.pop("id", None) or new_id()
    given: dict[str, Any] = {
        "id": run_id, "flow_run_id": flow_run_id, "name": "fit-0", "task_key": "train.fit", "dynamic_key": "0",
        "created": BORN, "details": StateDetails(flow_run_id=flow_run_id, task_run_id=run_id), **fields,
    }  # fmt: skip
    return TaskRun(**given)


def at(state: State, seconds: float) -> State:
    """The state with an id of its own, entered that long after ``BORN``."""
    return state.evolve(id=new_id(), timestamp=later(seconds))


def born(record: TaskRun, *states: State) -> TaskRunChange:
    """A task run that is written for the first time, with the states that it came to since."""
    return TaskRunChange(record, states, True)


def went_on(record: TaskRun, *states: State) -> TaskRunChange:
    """A task run that was written before, with the states that it came to since."""
    return TaskRunChange(record, states, False)


def batch(*changes: TaskRunChange, logs: Sequence[LogRow] = ()) -> Batch:
    """What the recorder hands over."""
    return Batch(changes, logs)


def log_row(message: str, flow_run_id: UUID | None = None, task_run_id: UUID | None = None, level: int = 20) -> LogRow:
    """A log line, logged at ``BORN``."""
    stamp = round(BORN.timestamp() * 1e6)
    name = "orchestration.task_runs" if task_run_id else "orchestration.flow_runs"
    return name, level, message, stamp, _text(flow_run_id), _text(task_run_id)


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
