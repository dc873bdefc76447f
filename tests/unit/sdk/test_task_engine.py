"""A task run from call to final state."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestration import (
    Completed,
    Failed,
    State,
    allow_failure,
    exponential_backoff,
    flow,
    runtime,
    tags,
    task,
    test_harness,
)  # fmt: skip
from orchestration.domain.errors import FailedRun, UpstreamTaskError
from orchestration.sdk.client import SyncClient

pytestmark = pytest.mark.usefixtures("session")


def _names(states: list[State]) -> list[str]:
    return [state.name for state in states]


@task
def _good(x: Any) -> Any:
    return x


@task
def _bad(x: int = 1) -> int:
    raise ValueError(f"bad {x}")


def test_a_run_is_in_the_store_with_its_states(client: SyncClient) -> None:
    @task(version="2", tags=["slow"])
    def work(x: int) -> int:
        return x + 1

    @flow
    def main() -> int:
        with tags("outer"):
            return work(1)

    assert main() == 2
    (run,) = client.read_task_runs()
    assert (run.name, run.task_version, run.tags, run.run_count) == ("work-0", "2", ("outer", "slow"), 1)
    assert run.flow_run_id == client.read_flow_runs()[0].id
    assert run.start_time is not None
    assert run.end_time is not None
    assert run.start_time <= run.end_time
    states = client.read_task_run_states(run.id)
    assert _names(states) == ["Pending", "Running", "Completed"]


def test_a_state_names_its_run(client: SyncClient) -> None:
    state = _good(1, return_state=True)
    assert state.details.task_run_id == client.read_task_runs()[0].id


def test_a_run_outside_flows_belongs_to_none(client: SyncClient) -> None:
    assert _good(3) == 3
    (run,) = client.read_task_runs()
    assert (run.flow_run_id, run.state_name) == (None, "Completed")


@pytest.mark.parametrize("is_async", [False, True])
def test_a_run_that_raises_is_failed_and_raises_the_same_error(is_async: bool) -> None:
    error = ValueError("boom")

    @task
    def work() -> None:
        raise error

    @task
    async def awork() -> None:
        raise error

    def call(**options: Any) -> Any:
        return asyncio.run(awork(**options)) if is_async else work(**options)

    with pytest.raises(ValueError, match="boom") as caught:
        call()
    assert caught.value is error
    state = call(return_state=True)
    assert (state.name, state.message) == ("Failed", "Task run encountered an exception ValueError: boom")


@pytest.mark.parametrize(
    "delay", [None, 0, 0.001, [0, 0.001], [0.001], exponential_backoff(0.0005), lambda retries: [0.0] * retries]
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_failed_run_starts_again_as_often_as_asked(delay: Any, is_async: bool, client: SyncClient) -> None:
    counts: list[int] = []

    def attempt() -> str:
        counts.append(runtime.task_run.run_count)
        if len(counts) < 3:
            raise ValueError("not yet")
        return "done"

    @task(retries=2, retry_delay_seconds=delay)
    def work() -> str:
        return attempt()

    @task(retries=2, retry_delay_seconds=delay)
    async def awork() -> str:
        return attempt()

    assert (asyncio.run(awork()) if is_async else work()) == "done"
    assert counts == [1, 2, 3]
    (run,) = client.read_task_runs()
    assert run.run_count == 3
    assert _names(client.read_task_run_states(run.id)) == [
        "Pending", "Running", "AwaitingRetry", "Retrying", "AwaitingRetry", "Retrying", "Completed",
    ]  # fmt: skip


def test_jitter_lengthens_the_delay_of_a_task(client: SyncClient) -> None:
    @task(retries=3, retry_delay_seconds=0.004, retry_jitter_factor=1.0)
    def work() -> None:
        raise ValueError("x")

    work(return_state=True)
    (run,) = client.read_task_runs()
    waits = []
    for state in client.read_task_run_states(run.id):
        if state.name == "AwaitingRetry":
            assert state.timestamp is not None
            assert state.details.scheduled_time is not None
            waits.append((state.details.scheduled_time - state.timestamp).total_seconds())
    assert len(set(waits)) == 3
    assert all(0.0039 <= wait <= 0.0081 for wait in waits)


def test_the_last_failure_counts_when_retries_are_used_up() -> None:
    calls: list[int] = []

    @task(retries=2)
    def work() -> None:
        calls.append(1)
        raise ValueError(len(calls))

    assert work(return_state=True).message == "Task run encountered an exception ValueError: 3"


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("asks_async", [False, True])
def test_a_condition_says_whether_a_failure_is_worth_another_try(is_async: bool, asks_async: bool) -> None:
    calls: list[str] = []

    def only_values(task: Any, run: Any, state: State) -> bool:
        return isinstance(state.outcome(raise_on_failure=False), ValueError)

    async def aonly_values(task: Any, run: Any, state: State) -> bool:
        return only_values(task, run, state)

    def attempt() -> None:
        calls.append("x")
        raise (ValueError if len(calls) < 3 else KeyError)("x")

    condition: Any = aonly_values if asks_async else only_values

    @task(retries=5, retry_condition_fn=condition)
    def work() -> None:
        attempt()

    @task(retries=5, retry_condition_fn=condition)
    async def awork() -> None:
        attempt()

    state = asyncio.run(awork(return_state=True)) if is_async else work(return_state=True)
    assert state.message == "Task run encountered an exception KeyError: 'x'"
    assert len(calls) == 3


def test_a_condition_that_raises_ends_the_tries_and_hides_nothing(client: SyncClient) -> None:
    def broken(*_: Any) -> bool:
        raise RuntimeError("condition")

    with pytest.raises(ValueError, match="bad 1"):
        _bad.with_options(retries=5, retry_condition_fn=broken)()
    assert any("retry_condition_fn failed" in line.message for line in client.read_logs())


def test_states_that_a_task_returns_are_its_own() -> None:
    def ends(state: State) -> State:
        return task(lambda: state)(return_state=True)

    assert (ends(Completed(message="fine", data=3)).message, ends(Completed(data=3)).result()) == ("fine", 3)
    assert ends(Failed(message="no")).message == "no"
    with pytest.raises(FailedRun, match="no"):
        task(lambda: Failed(message="no"))()


def test_futures_and_states_within_arguments_are_replaced_by_results() -> None:
    @flow
    def main() -> Any:
        one, two = _good.submit(1), _good(2, return_state=True)
        return _good({"k": [one, (two, 3)], "s": {4}, "f": frozenset({5})}), _good.submit([one, two]).result()

    assert main() == ({"k": [1, (2, 3)], "s": {4}, "f": frozenset({5})}, [1, 2])


def test_arguments_without_futures_are_handed_on_as_they_are() -> None:
    given = {"a": [1, (2,)]}

    @flow
    def main() -> bool:
        return _good(given) is given and _good.submit(given).result() is given

    assert main()


def test_a_task_does_not_start_when_what_it_needs_failed(client: SyncClient) -> None:
    @flow
    def main() -> list[str]:
        failed = _bad.submit()
        with pytest.raises(UpstreamTaskError, match="did not reach a 'COMPLETED' state"):
            _good(failed)
        states = [_good(failed, return_state=True), _good(1, wait_for=[failed], return_state=True)]
        return [state.name for state in states]

    assert main() == ["NotReady", "NotReady"]
    assert _names(client.read_task_run_states(client.read_task_runs()[1].id)) == ["Pending", "NotReady"]


def test_an_allowed_failure_is_an_argument_like_any_other() -> None:
    @flow
    def main() -> Any:
        failed = _bad.submit()
        waited = _good(3, wait_for=[allow_failure(failed)])
        return _good(allow_failure(failed)), _good.submit(allow_failure([failed, 1])).result(), waited

    single, listed, waited = main()
    assert (repr(single), repr(listed), waited) == ("ValueError('bad 1')", "[ValueError('bad 1'), 1]", 3)


def test_the_store_shows_which_runs_an_argument_came_from(client: SyncClient) -> None:
    class Frame:
        """Something that only one run can have made."""

    @task
    def make() -> Frame:
        return Frame()

    @flow
    def main() -> None:
        submitted, returned = make.submit(), make()
        _good([submitted])
        _good(returned, wait_for=[submitted])

    main()
    made, returned, first, second = client.read_task_runs()
    assert first.task_inputs == {"x": [{"input_type": "task_run", "id": str(made.id)}]}
    assert second.task_inputs == {
        "x": [{"input_type": "task_run", "id": str(returned.id)}],
        "wait_for": [{"input_type": "task_run", "id": str(made.id)}],
    }


def test_tasks_call_tasks() -> None:
    @task
    def outer(x: int) -> tuple[int, str | None]:
        return _good(x) + _good(x), runtime.task_run.name

    @flow
    def main() -> tuple[int, str | None]:
        return outer(2)

    assert main() == (4, "outer-0")


def test_async_tasks_run_side_by_side() -> None:
    meeting = asyncio.Barrier(2)

    @task
    async def work(x: int) -> tuple[int, str | None]:
        await asyncio.wait_for(meeting.wait(), 10)
        return x, runtime.task_run.name

    @flow
    async def main() -> Any:
        return await asyncio.gather(work(1), work(2))

    assert asyncio.run(main()) == [(1, "work-0"), (2, "work-1")]


def test_defaults_for_retries_come_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATION_TASK_DEFAULT_RETRIES", "2")
    calls: list[datetime] = []

    @task
    def work() -> None:
        calls.append(datetime.now(UTC))
        raise ValueError("x")

    with test_harness():
        work(return_state=True)
        work.with_options(retries=0)(return_state=True)
    assert len(calls) == 4


def test_a_large_argument_is_never_copied_or_hashed() -> None:
    class Frame:
        def __reduce__(self) -> Any:
            raise AssertionError("an argument was pickled")

        def __deepcopy__(self, memo: Any) -> Any:
            raise AssertionError("an argument was copied")

        def __hash__(self) -> int:
            raise AssertionError("an argument was hashed")

    frame = Frame()

    @flow
    def main() -> bool:
        return _good(frame) is frame and _good.submit([frame]).result()[0] is frame

    assert main()
