"""Flow runs: what follows from a state, and the guard that no state is written over another."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from orchestration.backend.clock import new_id
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.runs import FlowRun, Owner
from orchestration.domain.states import (
    AwaitingRetry,
    Cancelling,
    Completed,
    Failed,
    Paused,
    Pending,
    Retrying,
    Running,
    Scheduled,
    State,
)
from orchestration.persistence import runs
from orchestration.persistence.database import STATEMENTS
from orchestration.persistence.sqlite import SqliteDatabase
from tests.support.properties import quick
from tests.support.records import BORN, at, flow_run, later

OWNER = Owner("host", "boot", 12, "345")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with closing(SqliteDatabase(tmp_path / "runs.db")) as opened:
        yield opened


def _keep(document: Any) -> Any:
    return document


def _lived(*steps: tuple[float, State]) -> FlowRun:
    """A run that came to these states at these seconds after its birth."""
    run = flow_run(state=None)
    for seconds, state in steps:
        run = runs.after(run, at(state, seconds), later(seconds))
    return run


def _stored(database: SqliteDatabase, **fields: Any) -> FlowRun:
    """A run in the store, in no state yet."""
    with database.transaction() as tx:
        flow_id = runs.flow_id_of(tx, "train", new_id(), BORN)
        run = flow_run(state=None, flow_id=flow_id, **fields)
        runs.insert_flow_run(tx, run)
    return run


# -- what follows from a state --------------------------------------------------------------------


def test_times_and_counts_of_a_run_that_is_retried() -> None:
    run = _lived((0, Pending()), (1, Running()), (4, AwaitingRetry(later(10))), (10, Retrying()), (12, Completed()))
    assert (run.run_count, run.start_time, run.end_time) == (2, later(1), later(12))
    assert (run.total_run_time, run.expected_start_time) == (5.0, later(10))


def test_a_pause_is_neither_running_time_nor_another_attempt() -> None:
    run = _lived((0, Running()), (2, Paused()), (100, Running()), (101, Failed()))
    assert (run.run_count, run.total_run_time, run.end_time) == (1, 3.0, later(101))


def test_a_run_that_was_paused_before_it_began_begins_when_it_is_resumed() -> None:
    assert _lived((0, Pending()), (1, Paused()), (2, Running())).run_count == 1


def test_a_run_that_starts_again_has_not_ended() -> None:
    ended = _lived((0, Running()), (1, Failed()))
    again = runs.after(ended, at(Scheduled(later(60)), 2), later(2))
    assert (ended.end_time, again.end_time, again.start_time) == (later(1), None, later(0))


def test_a_cancellation_under_way_still_runs() -> None:
    run = _lived((0, Running()), (3, Cancelling()))
    assert (run.end_time, run.total_run_time) == (None, 3.0)


@quick
@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.sampled_from([Pending, Running, Paused, AwaitingRetry, Completed, Failed])),
        max_size=8,
    )
)
def test_times_never_run_backwards(steps: list[tuple[float, Any]]) -> None:
    """Even where the clock does: steps come here in any order of time."""
    run = _lived(*[(seconds, make()) for seconds, make in steps])
    assert run.total_run_time >= 0
    assert run.run_count <= sum(make is Running for _, make in steps)
    assert (run.end_time is not None) == bool(run.state and run.state.is_final())
    assert (run.start_time is None) == (run.run_count == 0)


# -- the guard ------------------------------------------------------------------------------------


def test_a_state_is_written_only_over_the_one_that_was_expected(database: SqliteDatabase) -> None:
    run = _stored(database)
    pending, running, other = at(Pending(), 0), at(Running(), 1), at(Cancelling(), 1)
    with database.transaction() as tx:
        assert not runs.write_state(tx, run.evolve(state=running), new_id())
        assert runs.write_state(tx, run.evolve(state=pending), None)
        assert not runs.write_state(tx, run.evolve(state=running), None)
        assert runs.write_state(tx, run.evolve(state=running), pending.id)
        assert not runs.write_state(tx, run.evolve(state=other), pending.id)
    assert runs.read_flow_run(database, run.id, _keep).state == running
    assert runs.read_states(database, run.id, _keep) == [pending, running]


def test_a_run_comes_back_as_it_was_stored(database: SqliteDatabase) -> None:
    stored = _stored(
        database, parameters={"months": ["2021-01"], "share": 0.5}, context={"a": None}, tags=("a", "b"),
        labels={"x": 1}, flow_version="3", deployment_id=new_id(), idempotency_key="k", parent_task_run_id=new_id(),
        expected_start_time=later(1), start_time=later(2), end_time=later(3), total_run_time=0.123456, run_count=4,
        owner=OWNER,
    )  # fmt: skip
    assert runs.read_flow_run(database, stored.id, _keep) == stored


def test_inside_a_transaction_its_own_writes_are_seen(database: SqliteDatabase) -> None:
    run, pending = _stored(database), at(Pending(), 0)
    with database.transaction() as tx:
        runs.write_state(tx, run.evolve(state=pending), None)
        assert runs.read_flow_run(tx, run.id, _keep).state == pending


def test_a_run_that_is_not_there_is_named(database: SqliteDatabase) -> None:
    absent = new_id()
    with pytest.raises(ObjectNotFound, match=f"There is no flow run with the id '{absent}'"):
        runs.read_flow_run(database, absent, _keep)


def test_a_flow_is_made_once(database: SqliteDatabase) -> None:
    with database.transaction() as tx:
        ids = [runs.flow_id_of(tx, name, new_id(), BORN) for name in ("train", "train", "predict")]
    assert ids[0] == ids[1] != ids[2]


def test_the_owner_can_change_and_go(database: SqliteDatabase) -> None:
    run = _stored(database)
    for owner in (OWNER, None):
        with database.transaction() as tx:
            runs.set_owner(tx, run.id, owner)
        assert runs.read_flow_run(database, run.id, _keep).owner == owner


@pytest.mark.parametrize("host", ["host", "elsewhere"])
def test_only_this_hosts_unfinished_runs_are_suspected(database: SqliteDatabase, host: str) -> None:
    suspected = set()
    for make in (Pending, Running, Cancelling, Paused, AwaitingRetry, Completed, Failed):
        run, state = _stored(database, owner=OWNER), at(make(), 0)
        with database.transaction() as tx:
            runs.write_state(tx, run.evolve(state=state), None)
        if host == "host" and not state.is_final():
            suspected.add((run.id, OWNER))
    _stored(database)
    found = database.read(STATEMENTS["unfinished_of_host"], {"host": host})
    assert set(runs.owned(found)) == suspected
