"""Task runs and log lines: recorded in batches, all of a batch or none of it."""

from functools import partial

import pytest

from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound, StoreError
from orchestration.domain.rules import RetryPolicy
from orchestration.domain.schemas.filters import among
from orchestration.domain.schemas.runs import Batch
from orchestration.domain.states import NO_DATA, AwaitingRetry, Completed, Failed, Retrying, Running, StateType
from tests.support.backends import Reference, Store, at_once
from tests.support.listings import logs, task_runs
from tests.support.records import BORN, at, batch, born, later, log_row, task_record, went_on

LIFE = [at(Running(), 1), at(AwaitingRetry(later(2)), 2), at(Retrying(), 3), at(Completed("done"), 4)]


def test_a_task_run_comes_back_with_all_its_states(backend: Backend) -> None:
    record = task_record(
        new_id(), task_version="2", policy=RetryPolicy(2, (1.0,), 0.5), tags=["a", "b"], run_count=2,
        start_time=later(1), end_time=later(4), total_run_time=2.0, task_inputs={"x": []},
    )  # fmt: skip
    backend.record(batch(born(record, *LIFE)))
    run = backend.task_run(record.id)
    assert (run.id, run.flow_run_id, run.name) == (record.id, record.flow_run_id, "fit-0")
    assert (run.task_key, run.dynamic_key, run.created) == ("train.fit", "0", BORN)
    assert (run.task_version, run.policy, run.tags, run.task_inputs) == ("2", record.policy, ("a", "b"), {"x": []})
    assert (run.run_count, run.start_time, run.end_time, run.total_run_time) == (2, later(1), later(4), 2.0)
    assert (run.state_name, run.state_type, run.state_id) == ("Completed", StateType.COMPLETED, LIFE[-1].id)
    names = ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
    states = backend.task_run_states(record.id)
    assert [(state.name, state.timestamp) for state in states] == [
        (name, later(second)) for second, name in enumerate(names)
    ]
    assert states[2].details.scheduled_time == later(2)


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3), (0, 0, 1, 2, 4, 3, 4)])
def test_batches_may_come_in_any_order_and_again(backend: Backend, order: tuple[int, ...]) -> None:
    record = task_record(new_id())
    batches = [batch(born(record)), *(batch(went_on(record, state)) for state in LIFE)]
    for place in order:
        backend.record(batches[place])
    assert backend.task_run(record.id).state_id == LIFE[-1].id
    assert [state.name for state in backend.task_run_states(record.id)] == [
        "Pending", "Running", "AwaitingRetry", "Retrying", "Completed",
    ]  # fmt: skip


def test_results_of_task_runs_are_found_again_in_storage(backend: Backend) -> None:
    stored, memory = task_record(new_id()), task_record(new_id())
    ends = [at(Completed(data=data), 1) for data in (Reference({"key": "fit"}), {"in": "memory"})]
    backend.record(batch(born(stored, ends[0]), born(memory, ends[1])))
    for record, data in ((stored, Reference({"key": "fit"})), (memory, NO_DATA)):
        state = backend.task_run(record.id).state
        assert state is not None
        assert state.data == data == backend.task_run_states(record.id)[-1].data


def test_a_batch_is_recorded_whole_or_not_at_all(backend: Backend) -> None:
    record = task_record(new_id())
    with pytest.raises(StoreError):
        backend.record(Batch([born(record)], [log_row("fine"), log_row(None)]))  # type: ignore[arg-type]
    assert (task_runs(backend), logs(backend)) == ([], [])
    backend.record(batch(born(record), logs=[log_row("fine")]))
    assert (len(task_runs(backend)), len(logs(backend))) == (1, 1)


def test_what_is_recorded_is_there_for_whoever_asks_next(backend: Backend) -> None:
    records = [task_record(new_id()) for _ in range(20)]
    for record in records:
        backend.record(batch(born(record), logs=[log_row("line")]))
    assert len(task_runs(backend)) == 20
    assert len(logs(backend)) == 20


def test_an_empty_batch_is_nothing(backend: Backend) -> None:
    backend.record(batch())
    assert (task_runs(backend), logs(backend)) == ([], [])


def test_a_task_run_that_is_not_there_is_named(backend: Backend) -> None:
    absent = new_id()
    with pytest.raises(ObjectNotFound, match=str(absent)):
        backend.task_run(absent)
    assert backend.task_run_states(absent) == []


def test_task_runs_are_listed_oldest_first_page_by_page(backend: Backend) -> None:
    records = [task_record(new_id()) for _ in range(5)]
    backend.record(batch(*(born(record) for record in reversed(records))))
    ids = [record.id for record in records]
    assert [run.id for run in task_runs(backend)] == ids
    assert [run.id for run in task_runs(backend, limit=2, offset=1)] == ids[1:3]


def test_task_runs_are_narrowed_by_any_field(backend: Backend) -> None:
    wanted, other = task_record(new_id(), name="fit-0"), task_record(new_id(), name="score-0")
    backend.record(batch(born(wanted, at(Failed(name="TimedOut"), 1)), born(other, at(Running(), 1))))
    filters = [
        among("task_runs", id=(wanted.id,)), among("task_runs", name=("fit-0", "x")),
        among("task_runs", flow_run_id=(wanted.flow_run_id or new_id(),)),
        among("task_runs", state_type=(StateType.FAILED, StateType.CRASHED)),
        among("task_runs", state_name=("TimedOut",)),
    ]  # fmt: skip
    assert [[run.id for run in task_runs(backend, each)] for each in filters] == [[wanted.id]] * len(filters)
    assert task_runs(backend, among("task_runs", id=(wanted.id,), name=("score-0",))) == []


def test_many_who_record_lose_nothing(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    flow_run_id = new_id()
    records = [[task_record(flow_run_id) for _ in range(30)] for _ in range(8)]

    def record(place: int) -> None:
        for each in records[place]:
            rows = [log_row(f"{place}", flow_run_id, each.id) for _ in range(3)]
            backends[place % 4].record(batch(born(each, LIFE[0]), logs=rows))
            backends[place % 4].record(batch(went_on(each, LIFE[-1])))

    assert at_once([partial(record, place) for place in range(8)]) == [None] * 8
    assert [len(task_runs(each)) > 0 for each in backends] == [True] * 4, "each has waited for what it was given"
    runs = task_runs(backends[0], among("task_runs", flow_run_id=(flow_run_id,)), limit=1_000)
    assert [run.state_name for run in runs] == ["Completed"] * 240
    assert len(logs(backends[0], among("logs", flow_run_id=(flow_run_id,)), limit=1_000)) == 720


# -- logs -----------------------------------------------------------------------------------------


def test_log_lines_come_back_in_the_order_they_came(backend: Backend) -> None:
    flow_run_id, task_run_id = new_id(), new_id()
    backend.record(batch(logs=[log_row("first", flow_run_id), log_row("second", flow_run_id, task_run_id, 40)]))
    backend.record(batch(logs=[log_row("third \u2028 🚕", flow_run_id)]))
    first, second, third = logs(backend)
    assert [first.message, second.message, third.message] == ["first", "second", "third \u2028 🚕"]
    assert first.sequence < second.sequence < third.sequence
    assert (second.name, second.level, second.timestamp) == ("orchestration.task_runs", 40, BORN)
    assert (second.flow_run_id, second.task_run_id, first.task_run_id) == (flow_run_id, task_run_id, None)


def test_log_lines_are_narrowed_by_any_field(backend: Backend) -> None:
    flow_run_id, task_run_id = new_id(), new_id()
    backend.record(
        batch(logs=[
            log_row("Download of 50%_done", new_id()), log_row("other", new_id(), new_id(), 30),
            log_row("wanted: 50 %", flow_run_id, task_run_id, 40),
        ])
    )  # fmt: skip
    first, second, third = logs(backend)
    asked = {
        "flow run": among("logs", flow_run_id=(flow_run_id,)), "task run": among("logs", task_run_id=(task_run_id,)),
        "level": {"logs": {"level": {"ge_": 40}}}, "text": {"logs": {"text": {"query": "WANTED"}}},
        "after": {"logs": {"sequence": {"ge_": second.sequence + 1}}},
    }  # fmt: skip
    assert {name: logs(backend, wanted) for name, wanted in asked.items()} == {name: [third] for name in asked}
    assert logs(backend, {"logs": {"text": {"query": "%_"}}}) == [first], "neither % nor _ stands for anything else"
    assert logs(backend, {"logs": {"level": {"ge_": 30}, "sequence": {"ge_": first.sequence + 1}}}) == [second, third]


def test_a_log_is_followed_page_by_page(backend: Backend) -> None:
    backend.record(batch(logs=[log_row(str(number)) for number in range(25)]))
    seen: list[str] = []
    after = 0
    while page := logs(backend, {"logs": {"sequence": {"ge_": after + 1}}}, limit=10):
        seen += [line.message for line in page]
        after = page[-1].sequence
    assert seen == [str(number) for number in range(25)]
    assert [line.message for line in logs(backend, limit=2, offset=23)] == ["23", "24"]


def test_a_nul_in_a_line_can_be_seen(backend: Backend) -> None:
    """As it is, or written out or marked where the store takes none."""
    backend.record(batch(logs=[log_row("before \0 after"), log_row("untouched: \\u0000")]))
    line, untouched = (each.message for each in logs(backend))
    assert line in ("before \0 after", "before \\x00 after", "before \ufffd after")
    assert untouched == "untouched: \\u0000"


def test_a_line_that_utf_8_cannot_hold_does_not_hold_up_the_others(backend: Backend) -> None:
    """The name of a file that is no UTF-8, for one."""
    backend.record(batch(logs=[log_row("before"), log_row("caf\udce9.parquet"), log_row("after")]))
    messages = [line.message for line in logs(backend)]
    assert (messages[0], messages[2]) == ("before", "after")
    assert messages[1].startswith("caf")
