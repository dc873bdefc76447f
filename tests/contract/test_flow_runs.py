"""Flow runs: made once, whoever asks and how often, and found again."""

from functools import partial
from uuid import UUID

import pytest

from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.rules import Accept, RetryPolicy
from orchestration.domain.schemas.filters import Query, among
from orchestration.domain.states import Completed, Running, Scheduled, StateType
from tests.support.backends import Store, at_once
from tests.support.listings import flow_runs
from tests.support.records import BORN, flow_run, later

CROWD = 12


def _names(backend: Backend, run_id: UUID) -> list[str]:
    return [state.name for state in backend.flow_run_states(run_id)]


# -- making them ----------------------------------------------------------------------------------


def test_a_run_is_made_in_its_state(backend: Backend) -> None:
    asked = flow_run(
        parameters={"months": ["2021-01", "2021-02"], "share": 0.5}, tags=("a", "b"), flow_version="7",
        policy=RetryPolicy(2, (1.0, 2.0), 0.5), parent_task_run_id=new_id(), expected_start_time=later(1),
    )  # fmt: skip
    made = backend.create_flow_run(asked)
    kept = backend.flow_run(made.id)
    for run in (made, kept):
        assert (run.id, run.name, run.flow_name, run.created) == (asked.id, "light-boar", "train", BORN)
        assert (run.parameters, run.tags, run.flow_version) == (asked.parameters, asked.tags, "7")
        assert (run.policy, run.parent_task_run_id) == (asked.policy, asked.parent_task_run_id)
        assert (run.expected_start_time, run.run_count, run.owner) == (later(1), 0, None)
        assert (run.state_name, run.state_type) == ("Pending", StateType.PENDING)
    assert kept.state_id == made.state_id is not None
    assert _names(backend, made.id) == ["Pending"]


def test_a_run_without_a_state_takes_any(backend: Backend) -> None:
    made = backend.create_flow_run(flow_run(state=None))
    assert made.state_name in (None, "Pending"), "a server gives it one"
    assert backend.flow_run(made.id).state == made.state
    assert isinstance(backend.propose_flow_run_state(made.id, Scheduled(later(0))), Accept)
    assert backend.flow_run(made.id).expected_start_time == later(0)


def test_runs_of_one_flow_share_it(backend: Backend) -> None:
    first, second, other = (backend.create_flow_run(flow_run(flow_name=name)) for name in ("train", "train", "predict"))
    assert first.flow_id == second.flow_id != other.flow_id
    assert backend.flow_run(second.id).flow_id == first.flow_id


@pytest.mark.parametrize("again", [1, 2])
def test_an_idempotency_key_makes_one_run(backend: Backend, again: int) -> None:
    first = backend.create_flow_run(flow_run(idempotency_key="2021-02"))
    backend.propose_flow_run_state(first.id, Running())
    for _ in range(again):
        answer = backend.create_flow_run(flow_run(idempotency_key="2021-02", name="other"))
        assert (answer.id, answer.name, answer.state_name) == (first.id, "light-boar", "Running")
    assert len(flow_runs(backend)) == 1


def test_an_idempotency_key_counts_within_its_flow(backend: Backend) -> None:
    ids = {backend.create_flow_run(flow_run(flow_name=name, idempotency_key="k")).id for name in ("a", "b")}
    ids |= {backend.create_flow_run(flow_run()).id for _ in range(2)}
    assert len(ids) == 4


def test_of_many_who_come_with_one_key_one_makes_the_run(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    runs = at_once(
        [partial(backends[number % 4].create_flow_run, flow_run(idempotency_key="slot")) for number in range(CROWD)]
    )
    assert len({getattr(run, "id", run) for run in runs}) == 1
    assert len(flow_runs(backends[0])) == 1
    assert _names(backends[0], flow_runs(backends[0])[0].id) == ["Pending"]


# -- reading them ---------------------------------------------------------------------------------


def test_a_run_that_is_not_there_is_named(backend: Backend) -> None:
    absent = new_id()
    for ask in (backend.flow_run, partial(backend.propose_flow_run_state, state=Running())):
        with pytest.raises(ObjectNotFound, match=str(absent)):
            ask(absent)
    assert backend.flow_run_states(absent) == []


def test_a_run_can_have_another_name_and_tags(backend: Backend) -> None:
    run = backend.create_flow_run(flow_run())
    backend.change("flow_runs", {"name": "2021-02 retraining", "tags": ["monthly"]}, id=run.id)
    kept = backend.flow_run(run.id)
    assert (kept.name, kept.tags, kept.state_id) == ("2021-02 retraining", ("monthly",), run.state_id)


def test_a_listing_shows_newest_first_page_by_page(backend: Backend) -> None:
    ids = [backend.create_flow_run(flow_run()).id for _ in range(5)]
    assert [run.id for run in flow_runs(backend)] == ids[::-1]
    assert [run.id for run in flow_runs(backend, limit=2, offset=1)] == [ids[3], ids[2]]
    assert flow_runs(backend, offset=5) == []


def test_a_listing_is_narrowed_by_any_field(backend: Backend) -> None:
    parent = new_id()
    wanted = backend.create_flow_run(flow_run(name="light-boar", flow_name="train", parent_task_run_id=parent))
    other = backend.create_flow_run(flow_run(name="calm-owl", flow_name="predict"))
    backend.propose_flow_run_state(other.id, Running())
    filters = [
        among("flow_runs", id=(wanted.id, new_id())), among("flow_runs", name=("light-boar",)),
        among("flows", name=("train", "x")), among("flow_runs", state_type=(StateType.PENDING,)),
        among("flow_runs", state_name=("Pending", "Late")), among("flow_runs", parent_task_run_id=(parent,)),
    ]  # fmt: skip
    assert [[run.id for run in flow_runs(backend, each)] for each in filters] == [[wanted.id]] * len(filters)
    both = among("flow_runs", id=(wanted.id, new_id()), name=("calm-owl",))
    assert flow_runs(backend, both) == []
    assert flow_runs(backend, among("flow_runs", name=("%",))) == []


def test_runs_that_have_not_ended_come_last_by_their_end(backend: Backend) -> None:
    """On every store: databases differ in where they put what has no value."""
    for name, seconds in (("first", 1), ("going", None), ("last", 2)):
        run = backend.create_flow_run(flow_run(name=name, state=Running()))
        if seconds is not None:
            backend.propose_flow_run_state(run.id, Completed(timestamp=later(seconds)))
    listed = backend.find("flow_runs", Query(sort="END_TIME_DESC"))
    assert [run["name"] for run in listed] == ["last", "first", "going"]
