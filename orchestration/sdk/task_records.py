"""Records of task runs: born in the flow run around them, kept in step with the states that they enter."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from orchestration.backend.clock import new_id, utc_now
from orchestration.domain.schemas.recording import TaskRunRecord
from orchestration.domain.states import State, StateDetails, StateType
from orchestration.sdk import upstream
from orchestration.sdk.context import FLOW_RUN, FlowRunContext
from orchestration.sdk.session import Session


def new_record(name: str, task_key: str, flow: FlowRunContext | None, session: Session, **more: Any) -> TaskRunRecord:
    """The record of a task run, known to the store as Pending."""
    run_id, flow_run_id, number = new_id(), None, ""
    if flow is not None:
        flow_run_id, number = flow.run.id, str(flow.next_call(task_key))
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
