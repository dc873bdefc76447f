"""A subflow's place in the run around it: a task run that goes through the same states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from orchestration.backend.clock import new_id, utc_now
from orchestration.domain.schemas.recording import TaskRunRecord
from orchestration.domain.states import State, StateDetails
from orchestration.sdk import upstream
from orchestration.sdk.context import FLOW_RUN, FlowRunContext


@dataclass(frozen=True, slots=True)
class Parent:
    """The task run that stands for a subflow in the flow run around it."""

    record: TaskRunRecord
    flow: FlowRunContext

    def mirror(self, state: State, child_flow_run_id: UUID) -> None:
        """Let the task run enter the state that the subflow has entered."""
        now = utc_now()
        if state.is_running():
            self.record.run_count += 1
            self.record.start_time = self.record.start_time or now
        if state.is_final():
            self.record.end_time = now
            start = self.record.start_time or now
            self.record.total_run_time = (now - start).total_seconds()
        details = StateDetails(self.flow.run.id, self.record.id, child_flow_run_id)
        mirrored = state.evolve(id=new_id(), timestamp=now, details=details, data=None)
        self.flow.session.recorder.note(self.record, mirrored)


def begin(flow: Any, parameters: dict[str, Any], now: datetime) -> Parent | None:
    """The task run of a subflow that is about to start; ``None`` for a flow that no flow called."""
    outer = FLOW_RUN.get()
    if outer is None:
        return None
    number = outer.next_call(f"flow:{flow.name}")
    run_id = new_id()
    record = TaskRunRecord(
        id=run_id,
        flow_run_id=outer.run.id,
        name=f"{flow.name}-{number}",
        task_key=flow.name,
        dynamic_key=str(number),
        created=now,
        task_inputs=upstream.task_inputs(parameters, (), outer.produced),
        details=StateDetails(flow_run_id=outer.run.id, task_run_id=run_id),
    )
    outer.session.recorder.add(record)
    return Parent(record, outer)
