"""Runs whose process was killed are marked Crashed by whoever looks next; runs that nobody can judge are left alone."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from orchestration.backend.clock import new_id
from orchestration.backend.local import LocalBackend
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import this_process
from orchestration.domain.schemas.runs import FlowRun, Owner
from orchestration.domain.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Paused,
    Pending,
    Running,
    Scheduled,
    State,
    StateType,
    Suspended,
)
from tests.support.backends import Store, at_once
from tests.support.listings import flow_runs, task_runs
from tests.support.records import at, batch, born, flow_run, later, task_record

NOT_ENDED: list[State] = [Pending(), Running(), AwaitingRetry(later(9)), Paused(), Cancelling()]


def _opened(store: Store) -> LocalBackend:
    backend = store.open()
    assert isinstance(backend, LocalBackend)
    return backend


def _begin(backend: Backend, state: State, **fields: object) -> FlowRun:
    """A run of this process in a state."""
    run = backend.create_flow_run(flow_run(owner=this_process(), **fields))
    if not state.is_pending():
        backend.propose_flow_run_state(run.id, state, force=True)
    return run


def _killed_after(work: Callable[[], None]) -> None:
    """Do the work in a process that is then killed, as by ``kill -9``."""

    def live() -> None:
        work()
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=live)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("state", NOT_ENDED, ids=str)
def test_a_run_dies_with_its_process(own_store: Store, state: State) -> None:
    """Also one that waited for its retry, or for a person: it waited in that process."""
    run_id, task_id = new_id(), new_id()

    def work() -> None:
        backend = own_store.connect()
        _begin(backend, state, id=run_id)
        record = task_record(run_id, id=task_id)
        backend.record(batch(born(record, at(Running(), 1)), born(task_record(run_id), at(Completed(), 1))))

    _killed_after(work)
    backend = _opened(own_store)
    run, task_run = backend.flow_run(run_id), backend.task_run(task_id)
    assert (run.state_name, task_run.state_name) == ("Crashed", "Crashed")
    for ended in (run.state, task_run.state):
        assert ended is not None
        assert ended.message == "The process of this run ended without a word; it was killed, or its machine went down."
    assert run.end_time is not None
    assert [each.state_name for each in task_runs(backend)].count("Completed") == 1
    assert backend.flow_run_states(run_id)[-1] == run.state
    assert backend.crash_dead_runs() == []


def test_a_task_outside_flows_dies_with_its_process(own_store: Store) -> None:
    task_id = new_id()
    _killed_after(lambda: own_store.connect().record(batch(born(task_record(id=task_id), at(Running(), 1)))))
    assert own_store.open().task_run(task_id).state_name == "Crashed"


def test_what_still_lives_is_left_alone(own_store: Store) -> None:
    backend = _opened(own_store)
    runs = [_begin(backend, state) for state in NOT_ENDED]
    task = task_record()
    backend.record(batch(born(task, at(Running(), 1))))
    other = _opened(own_store)
    assert other.crash_dead_runs() == []
    assert [other.flow_run(run.id).state_name for run in runs] == [state.name for state in NOT_ENDED]
    assert other.task_run(task.id).state_name == "Running"


def _elsewhere() -> list[Owner]:
    here = this_process()
    return [
        Owner("another host", "its boot", 1, "1"),
        replace(here, host=here.host.replace("pid:[", "pid:[9"), pid=4_194_305),
        replace(here, host=f"{here.host}x", boot="another"),
    ]


@pytest.mark.parametrize("place", range(3), ids=["another host", "another pid namespace", "another host and boot"])
def test_what_lives_elsewhere_is_not_judged(own_store: Store, place: int) -> None:
    backend = _opened(own_store)
    run = backend.create_flow_run(flow_run(state=Running(), owner=_elsewhere()[place]))
    assert backend.crash_dead_runs() == []
    assert backend.flow_run(run.id).state_name == "Running"


def test_nothing_survives_the_start_of_the_machine(own_store: Store) -> None:
    backend = _opened(own_store)
    run = backend.create_flow_run(flow_run(state=Running(), owner=replace(this_process(), boot="an earlier one")))
    assert backend.crash_dead_runs() == [run.id]


def test_a_run_that_no_process_holds_waits_for_one(own_store: Store) -> None:
    """Scheduled runs wait for a worker; suspended ones end their process by intent."""
    suspended = new_id()

    def work() -> None:
        backend = own_store.connect()
        backend.create_flow_run(flow_run(state=AwaitingRetry(later(9))))
        _begin(backend, Suspended(pause_key="1"), id=suspended)

    _killed_after(work)
    backend = _opened(own_store)
    assert sorted(str(run.state_name) for run in flow_runs(backend)) == ["AwaitingRetry", "Suspended"]
    assert backend.flow_run(suspended).owner is None
    backend.propose_flow_run_state(suspended, Scheduled(later(1)), force=True)
    assert backend.crash_dead_runs() == []


def test_a_suspended_run_gives_up_its_process(store: Store) -> None:
    backend = store.open()
    run = _begin(backend, Paused())
    assert backend.flow_run(run.id).owner == this_process()
    backend.propose_flow_run_state(run.id, Suspended())
    assert backend.flow_run(run.id).owner is None


def test_many_who_look_at_once_mark_a_run_once(own_store: Store) -> None:
    run_ids: list[UUID] = [new_id() for _ in range(5)]
    backends = [_opened(own_store) for _ in range(4)]

    def work() -> None:
        backend = own_store.connect()
        for run_id in run_ids:
            _begin(backend, Running(), id=run_id)

    _killed_after(work)
    marked = at_once([partial(backend.crash_dead_runs) for backend in backends])
    assert sorted(run_id for each in marked if isinstance(each, list) for run_id in each) == sorted(run_ids)
    for run_id in run_ids:
        assert [state.name for state in backends[0].flow_run_states(run_id)] == ["Pending", "Running", "Crashed"]


@pytest.mark.parametrize("end", [Crashed("interrupted"), Cancelled()], ids=str)
def test_an_ended_flow_run_takes_its_task_runs_along(store: Store, end: State) -> None:
    backend = store.open()
    run = backend.create_flow_run(flow_run(state=Running()))
    records = [task_record(run.id) for _ in range(3)]
    backend.record(batch(born(records[0]), born(records[1], at(Running(), 1)), born(records[2], at(Completed(), 1))))
    backend.propose_flow_run_state(run.id, end)
    states = [backend.task_run(record.id).state for record in records]
    assert [state.type for state in states] == [StateType.CRASHED, StateType.CRASHED, StateType.COMPLETED]
    assert states[0].message == "The flow run around this task run has ended."
    assert backend.task_run(records[0].id).end_time == states[0].timestamp


def test_an_ended_flow_run_takes_its_subflows_along(store: Store) -> None:
    """Also those within subflows; not those that have ended, nor those of other runs."""
    backend = store.open()
    outer = backend.create_flow_run(flow_run(state=Running()))
    above, runs = outer, []
    for _ in range(2):
        record = task_record(above.id)
        backend.record(batch(born(record, at(Running(), 1))))
        above = backend.create_flow_run(flow_run(state=Running(), parent_task_run_id=record.id))
        runs.append(above)
    ended = task_record(outer.id)
    backend.record(batch(born(ended, at(Completed(), 1))))
    runs.append(backend.create_flow_run(flow_run(state=Completed(), parent_task_run_id=ended.id)))
    runs.append(backend.create_flow_run(flow_run(state=Running(), parent_task_run_id=new_id())))
    backend.propose_flow_run_state(outer.id, Crashed("interrupted"))
    assert [backend.flow_run(run.id).state_name for run in runs] == ["Crashed", "Crashed", "Completed", "Running"]
    inner = backend.flow_run(runs[1].id).state
    assert inner is not None
    assert inner.message == "The flow run around this task run has ended."
    assert [run.state_name for run in task_runs(backend)] == ["Crashed", "Crashed", "Completed"]


def test_a_crash_is_no_failure_and_is_not_retried_by_itself(store: Store) -> None:
    backend = store.open()
    run = backend.create_flow_run(flow_run(state=Running()))
    backend.propose_flow_run_state(run.id, Crashed("killed"))
    assert backend.flow_run(run.id).state_name == "Crashed"
