"""What a run's record tells of its state.

Identifiers sort by the time of their making.
"""

from datetime import UTC, datetime
from uuid import RFC_4122, UUID

from hypothesis import given, strategies as st

from orchestration.domain.schemas.runs import FlowRun, TaskRun, uuid7
from orchestration.domain.states import Completed, StateType
from tests.support.properties import quick

BORN = datetime(2024, 1, 1, tzinfo=UTC)
FLOW_RUN = FlowRun(id=UUID(int=1), flow_id=UUID(int=2), name="light-boar", created=BORN)
TASK_RUN = TaskRun(id=UUID(int=3), name="fit-0", task_key="fit", dynamic_key="0", created=BORN)


def test_a_run_without_a_state_has_none_of_its_parts() -> None:
    assert (FLOW_RUN.state_id, FLOW_RUN.state_type, FLOW_RUN.state_name) == (None, None, None)


def test_a_task_run_is_born_pending() -> None:
    assert (TASK_RUN.state_id, TASK_RUN.state_type, TASK_RUN.state_name) == (None, StateType.PENDING, "Pending")


def test_a_run_tells_of_its_state() -> None:
    state = Completed(name="Cached").evolve(id=UUID(int=9))
    done = FLOW_RUN.evolve(state=state)
    assert (done.state_id, done.state_type, done.state_name) == (UUID(int=9), StateType.COMPLETED, "Cached")
    task = TASK_RUN.evolve(state=state)
    assert (task.state_id, task.state_type, task.state_name) == (UUID(int=9), StateType.COMPLETED, "Cached")
    assert FLOW_RUN.state is None, "evolve makes a copy"


stamps = st.integers(0, (1 << 48) - 1)
random_bits = st.integers(0, (1 << 74) - 1)


@quick
@given(stamps, random_bits)
def test_an_id_is_of_version_7_and_holds_its_time(milliseconds: int, random: int) -> None:
    made = uuid7(milliseconds, random)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == milliseconds


@quick
@given(st.tuples(stamps, random_bits), st.tuples(stamps, random_bits))
def test_ids_sort_as_their_time_and_random_bits_do(one: tuple[int, int], other: tuple[int, int]) -> None:
    """Both as values and as the texts that the store sorts by; so different bits give different ids."""
    first, second = uuid7(*one), uuid7(*other)
    assert (first < second, str(first) < str(second), first == second) == (one < other, one < other, one == other)


def test_the_example_of_the_standard() -> None:
    """RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC."""
    random = 0xCC3 << 62 | 0x18C4DC0C0C07398F
    assert uuid7(0x017F22E279B0, random) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
