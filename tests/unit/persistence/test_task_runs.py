"""Task runs and logs: batches in any order and number leave the same rows."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from orchestration.backend.clock import new_id
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.rules import RetryPolicy
from orchestration.domain.schemas.runs import Owner, TaskRun, TaskRunChange
from orchestration.domain.states import AwaitingRetry, Completed, Failed, Pending, Retrying, Running, State
from orchestration.persistence import runs
from orchestration.persistence.sqlite import SqliteDatabase
from tests.support.properties import quick
from tests.support.records import at, born, later, task_record, went_on

HERE = Owner("host", "boot", 12, "345")
LIFE = [
    at(Running(), 1), at(AwaitingRetry(later(2), "because"), 2), at(Retrying(), 3), at(Completed("done"), 4),
]  # fmt: skip


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteDatabase]:
    with closing(SqliteDatabase(tmp_path_factory.mktemp("store") / "runs.db")) as opened:
        yield opened


def _keep(document: Any) -> Any:
    return document


def _write(database: SqliteDatabase, *changes: TaskRunChange) -> None:
    with database.transaction() as tx:
        runs.write_task_runs(tx, changes, HERE)


def _read(database: SqliteDatabase, run_id: UUID) -> TaskRun:
    return runs.read_task_run(database, run_id, _keep)


def _history(database: SqliteDatabase, run_id: UUID) -> list[tuple[str, str | None]]:
    return [(state.name, state.message) for state in runs.read_task_run_states(database, run_id, _keep)]


def _named(*states: State) -> list[tuple[str, str | None]]:
    return [(state.name, state.message) for state in states]


@pytest.mark.parametrize("cuts", [(4,), (0, 4), (1, 2, 3, 4), (2, 4)])
def test_a_life_in_one_batch_or_in_many_is_the_same(database: SqliteDatabase, cuts: tuple[int, ...]) -> None:
    record, written = task_record(new_id()), 0
    for cut in cuts:
        record.state, record.run_count = [Pending(), *LIFE][cut], cut // 2
        _write(database, TaskRunChange(record, LIFE[written:cut], written == 0 and cut in (cuts[0], 4)))
        written = cut
    run = _read(database, record.id)
    assert (run.state_name, run.run_count, run.created) == ("Completed", 2, record.created)
    assert _history(database, record.id) == _named(Pending(), *LIFE)


@quick
@given(st.data())
def test_batches_may_come_in_any_order_and_twice(database: SqliteDatabase, data: st.DataObject) -> None:
    """The row shows the newest state: an end before all others, whatever the clocks of two processes say."""
    record = task_record(new_id())
    changes = [born(record), *(went_on(record, state) for state in LIFE)]
    again = data.draw(st.lists(st.sampled_from(changes), max_size=3))
    for change in data.draw(st.permutations([*changes, *again])):
        record.run_count = len(change.states)
        _write(database, change)
    run = _read(database, record.id)
    assert run.state is not None
    assert run.state.id == LIFE[-1].id
    assert _history(database, record.id) == _named(Pending(), *LIFE)


def test_an_end_stands_against_a_later_clock(database: SqliteDatabase) -> None:
    record = task_record(new_id())
    _write(database, born(record, at(Completed(), 5)))
    _write(database, went_on(record, at(Running(), 6)))
    assert _read(database, record.id).state_name == "Completed"


def test_the_row_shows_the_state_that_was_written_not_one_that_came_since(database: SqliteDatabase) -> None:
    """Another thread may be ahead: what is not in the history yet must not be in the columns."""
    record = task_record(new_id())
    record.state = at(Completed(), 9)
    _write(database, born(record, at(Running(), 1)))
    (row,) = database.read("SELECT state_name, state_type FROM task_run WHERE id = :id", {"id": str(record.id)})
    assert tuple(row) == ("Running", "RUNNING")


def test_a_run_comes_back_as_it_was_recorded(database: SqliteDatabase) -> None:
    inputs = {"x": [{"input_type": "task_run", "id": str(new_id())}], "y": []}
    record = task_record(
        new_id(), task_version="2", cache_key="k", policy=RetryPolicy(2, (1.0,), 0.5), tags=["a", "b"],
        task_inputs=inputs, run_count=2, flow_run_run_count=1, start_time=later(1), end_time=later(4),
        total_run_time=2.000001,
    )  # fmt: skip
    _write(database, born(record, *LIFE))
    state = LIFE[-1].evolve(details=record.details)
    found, expected = _read(database, record.id), TaskRun(
        id=record.id, name="fit-0", task_key="train.fit", dynamic_key="0", created=record.created,
        flow_run_id=record.flow_run_id, state=state, task_version="2", cache_key="k", policy=record.policy,
        tags=("a", "b"), task_inputs=inputs, run_count=2, flow_run_run_count=1, expected_start_time=record.created,
        start_time=later(1), end_time=later(4), total_run_time=2.000001,
    )  # fmt: skip
    for field in fields(TaskRun):
        assert getattr(found, field.name) == getattr(expected, field.name), field.name


def test_every_state_tells_its_run(database: SqliteDatabase) -> None:
    record = task_record(new_id())
    _write(database, born(record))
    state = _read(database, record.id).state
    assert state is not None
    assert (state.details.task_run_id, state.details.flow_run_id) == (record.id, record.flow_run_id)
    assert (state.name, state.timestamp) == ("Pending", record.created)


def test_a_run_that_is_not_there_is_named(database: SqliteDatabase) -> None:
    absent = new_id()
    with pytest.raises(ObjectNotFound, match=f"There is no task run with the id '{absent}'"):
        _read(database, absent)
    assert _history(database, absent) == []


# -- crashes --------------------------------------------------------------------------------------


def _crash(database: SqliteDatabase, flow_run_id: UUID) -> int:
    with database.transaction() as tx:
        return runs.crash_task_runs(tx, flow_run_id, later(7), "killed", new_id)


def test_a_crash_ends_the_task_runs_that_have_not_ended(database: SqliteDatabase) -> None:
    flow_run_id = new_id()
    waiting, running, ended, other = (task_record(flow) for flow in (flow_run_id, flow_run_id, flow_run_id, new_id()))
    _write(database, born(waiting), born(running, LIFE[0]), born(ended, at(Failed("no"), 1)), born(other, LIFE[0]))
    assert _crash(database, flow_run_id) == 2
    assert _crash(database, flow_run_id) == 0
    for record in (waiting, running):
        run = _read(database, record.id)
        assert run.state is not None
        assert (run.state_name, run.state.message, run.end_time) == ("Crashed", "killed", later(7))
    assert _history(database, running.id) == [("Pending", None), ("Running", None), ("Crashed", "killed")]
    assert [_read(database, record.id).state_name for record in (ended, other)] == ["Failed", "Running"]


def _lone(database: SqliteDatabase) -> list[tuple[UUID, Owner]]:
    return runs.unfinished_without_flow(database)


@pytest.mark.parametrize("crashes", [True, False])
def test_a_run_outside_flows_tells_its_process_until_it_ends(database: SqliteDatabase, crashes: bool) -> None:
    lone, inside, over = task_record(), task_record(new_id()), task_record()
    _write(database, born(lone), born(inside, LIFE[0]), born(over, *LIFE))
    _write(database, went_on(lone, LIFE[0]))
    assert _lone(database) == [(lone.id, HERE)]
    if crashes:
        with database.transaction() as tx:
            assert runs.crash_task_run(tx, lone.id, later(7), "killed", new_id)
            assert not runs.crash_task_run(tx, lone.id, later(8), "killed", new_id)
    else:
        _write(database, went_on(lone, LIFE[-1]))
    assert _lone(database) == []


def test_many_runs_are_written_at_once(database: SqliteDatabase) -> None:
    flow_run_id = new_id()
    records: list[TaskRun] = [task_record(flow_run_id) for _ in range(211)]
    _write(database, *(born(record, *LIFE) for record in records))
    rows = database.read("SELECT id FROM task_run WHERE flow_run_id = :id ORDER BY rowid", {"id": str(flow_run_id)})
    assert [row["id"] for row in rows] == [str(record.id) for record in records]
