"""What a run's record tells of its state."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from orchestration.domain.schemas.runs import FlowRun, TaskRun
from orchestration.domain.states import Completed, StateType

BORN = datetime(2024, 1, 1, tzinfo=UTC)
FLOW_RUN = FlowRun(id=UUID(int=1), flow_id=UUID(int=2), name="light-boar", created=BORN)
TASK_RUN = TaskRun(id=UUID(int=3), name="fit-0", task_key="fit", dynamic_key="0", created=BORN)


@pytest.mark.parametrize("run", [FLOW_RUN, TASK_RUN])
def test_a_run_without_a_state_has_none_of_its_parts(run: FlowRun | TaskRun) -> None:
    assert (run.state_id, run.state_type, run.state_name) == (None, None, None)


def test_a_run_tells_of_its_state() -> None:
    state = Completed(name="Cached").evolve(id=UUID(int=9))
    done = FLOW_RUN.evolve(state=state)
    assert (done.state_id, done.state_type, done.state_name) == (UUID(int=9), StateType.COMPLETED, "Cached")
    task = TASK_RUN.evolve(state=state)
    assert (task.state_id, task.state_type, task.state_name) == (UUID(int=9), StateType.COMPLETED, "Cached")
    assert FLOW_RUN.state is None, "evolve makes a copy"
