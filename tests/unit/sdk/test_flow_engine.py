"""A flow run from call to final state: failures, retries, subflows, and what the store shows of them."""

import asyncio
from typing import Any

import pytest

from orchestration import Cancelled, Completed, Failed, State, flow, runtime, task, test_harness
from orchestration.domain.errors import CancelledRun, FailedRun, UpstreamTaskError
from orchestration.domain.schemas.filters import among
from orchestration.sdk.client import SyncClient

pytestmark = pytest.mark.usefixtures("session")


def _names(states: list[State]) -> list[str]:
    return [state.name for state in states]


def test_a_run_that_returns_is_completed(client: SyncClient) -> None:
    @flow(version="7")
    def main(x: int) -> int:
        return x + 1

    assert main(1) == 2
    (run,) = client.read_flow_runs()
    assert (run.flow_name, run.flow_version, run.run_count, run.parameters) == ("main", "7", 1, {"x": 1})
    assert _names(client.read_flow_run_states(run.id)) == ["Pending", "Running", "Completed"]
    assert run.start_time is not None
    assert run.end_time is not None
    assert run.start_time <= run.end_time


def test_a_run_that_raises_is_failed_and_raises_the_same_error() -> None:
    error = ValueError("boom")

    @flow
    def main() -> None:
        raise error

    with pytest.raises(ValueError, match="boom") as caught:
        main()
    assert caught.value is error
    state = main(return_state=True)
    assert (state.name, state.message) == ("Failed", "Flow run encountered an exception: ValueError: boom")
    assert state.result(raise_on_failure=False) is error


def test_an_async_run_that_raises_is_failed() -> None:
    @flow
    async def main() -> None:
        raise ValueError("boom")

    assert asyncio.run(main(return_state=True)).message == "Flow run encountered an exception: ValueError: boom"
    with pytest.raises(ValueError, match="boom"):
        asyncio.run(main())


def test_a_state_names_its_run(client: SyncClient) -> None:
    @flow
    def main() -> None: ...

    state = main(return_state=True)
    assert state.details.flow_run_id == client.read_flow_runs()[0].id


@pytest.mark.parametrize("is_async", [False, True])
def test_a_failed_run_starts_again_as_often_as_asked(is_async: bool, client: SyncClient) -> None:
    counts: list[int] = []

    def attempt() -> int:
        counts.append(runtime.flow_run.run_count)
        if len(counts) < 3:
            raise ValueError("not yet")
        return 5

    @flow(retries=2)
    def main() -> int:
        return attempt()

    @flow(retries=2, retry_delay_seconds=0.001)
    async def amain() -> int:
        return attempt()

    assert (asyncio.run(amain()) if is_async else main()) == 5
    assert counts == [1, 2, 3]
    (run,) = client.read_flow_runs()
    assert _names(client.read_flow_run_states(run.id)) == [
        "Pending", "Running", "AwaitingRetry", "Retrying", "AwaitingRetry", "Retrying", "Completed",
    ]  # fmt: skip


def test_the_last_failure_counts_when_retries_are_used_up() -> None:
    calls: list[int] = []

    @flow(retries=2, retry_delay_seconds=[0.001, 0])
    def main() -> None:
        calls.append(1)
        raise ValueError(len(calls))

    assert main(return_state=True).message == "Flow run encountered an exception: ValueError: 3"


def test_a_condition_says_whether_a_failure_is_worth_another_try() -> None:
    calls: list[str] = []

    async def only_values(flow: Any, run: Any, state: State) -> bool:
        return isinstance(await state.aresult(raise_on_failure=False), ValueError)

    @flow(retries=5, retry_condition_fn=only_values)
    def main() -> None:
        calls.append("x")
        raise (ValueError if len(calls) < 3 else KeyError)("x")

    assert main(return_state=True).is_failed()
    assert len(calls) == 3


def test_a_condition_that_raises_ends_the_tries_and_hides_nothing() -> None:
    def broken(*_: Any) -> bool:
        raise RuntimeError("condition")

    @flow(retries=5, retry_condition_fn=broken)
    def main() -> None:
        raise ValueError("the flow's own")

    with pytest.raises(ValueError, match="the flow's own"):
        main()


def test_states_that_a_flow_returns_are_its_own() -> None:
    def ends(state: State) -> State:
        return flow(lambda: state)(return_state=True)

    assert (ends(Completed(message="fine", data=3)).message, ends(Completed(data=3)).result()) == ("fine", 3)
    assert ends(Failed(message="no")).name == "Failed"
    assert ends(Cancelled(message="stop")).name == "Cancelled"
    with pytest.raises(FailedRun, match="no"):
        flow(lambda: Failed(message="no"))()
    with pytest.raises(CancelledRun, match="stop"):
        flow(lambda: Cancelled(message="stop"))()


@task
def _good(x: int) -> int:
    return x


@task
def _bad(x: int) -> int:
    raise ValueError(f"bad {x}")


@pytest.mark.parametrize(
    ("body", "name", "message"),
    [
        (lambda: _good.submit(1), "Completed", "All states completed."),
        (lambda: _bad.submit(1), "Failed", "1/1 states failed."),
        (lambda: [_good.submit(1), _bad.submit(2)], "Failed", "1/2 states failed."),
        (lambda: (_good(1, return_state=True), _good.submit(2)), "Completed", "All states completed."),
        (lambda: [_bad(1, return_state=True), 3], "Completed", None),
        (lambda: _bad.submit(1).wait(), "Completed", None),
        (lambda: _good.submit(_bad.submit(1)), "Failed", "1/1 states are not final."),
    ],
)
def test_futures_and_states_that_a_flow_returns_are_counted(body: Any, name: str, message: str | None) -> None:
    state = flow(body)(return_state=True)
    assert (state.name, state.message) == (name, message)


def test_the_error_of_a_returned_future_is_raised() -> None:
    with pytest.raises(ValueError, match="bad 1"):
        flow(lambda: _bad.submit(1))()


def test_a_subflow_is_a_task_run_of_its_parent(client: SyncClient) -> None:
    @flow
    def child(x: int) -> int:
        return _good(x)

    @flow
    def parent() -> int:
        return child(2) + child(x=3)

    assert parent() == 5
    above, *below = reversed(client.read_flow_runs())
    assert [(run.flow_name, run.parameters) for run in below] == [("child", {"x": 2}), ("child", {"x": 3})]
    stands = client.read_task_runs(among("task_runs", flow_run_id=(above.id,))["task_runs"])
    assert [run.name for run in stands] == ["child-0", "child-1"]
    assert [run.id for run in stands] == [run.parent_task_run_id for run in below]
    for stand, run in zip(stands, below, strict=True):
        states = client.read_task_run_states(stand.id)
        assert _names(states) == ["Pending", "Running", "Completed"]
        assert states[-1].details.child_flow_run_id == run.id
        assert stand.run_count == 1


def test_a_failing_subflow_fails_its_parent_unless_caught(client: SyncClient) -> None:
    @flow
    def child() -> None:
        raise ValueError("child")

    @flow
    def strict() -> None:
        child()

    @flow
    def lenient() -> str:
        with pytest.raises(ValueError, match="child"):
            child()
        return child(return_state=True).name

    assert strict(return_state=True).message == "Flow run encountered an exception: ValueError: child"
    assert lenient() == "Failed"
    assert [run.state_name for run in client.read_task_runs()] == ["Failed"] * 3


def test_a_subflow_s_returned_state_decides_over_its_parent() -> None:
    @flow
    def child() -> None:
        raise ValueError("child")

    @flow
    def parent() -> State:
        return child(return_state=True)

    state = parent(return_state=True)
    assert (state.name, state.message) == ("Failed", "1/1 states failed.")


def test_a_subflow_gets_the_results_of_futures(client: SyncClient) -> None:
    @flow
    def child(x: int, many: list[int]) -> list[int]:
        return [x, *many]

    @flow
    def parent() -> list[int]:
        made = _good.submit(4)
        return child(made, [_good.submit(5), 6], wait_for=[made])

    assert parent() == [4, 5, 6]
    (stand,) = [run for run in client.read_task_runs() if run.task_key == "child"]
    assert stand.task_inputs == {}


@pytest.mark.parametrize("is_async", [False, True])
def test_a_subflow_does_not_start_when_what_it_waits_for_failed(is_async: bool, client: SyncClient) -> None:
    ran: list[int] = []

    @flow
    def child() -> None:
        ran.append(1)

    @flow
    async def achild() -> None:
        ran.append(1)

    @flow
    def parent() -> Any:
        state = child(wait_for=[_bad.submit(1)], return_state=True)
        with pytest.raises(UpstreamTaskError, match="did not reach a 'COMPLETED' state"):
            child(wait_for=[_bad.submit(1)])
        return Completed(data=state.name)

    @flow
    async def aparent() -> Any:
        state = await achild(wait_for=[_bad.submit(1)], return_state=True)
        with pytest.raises(UpstreamTaskError, match="did not reach a 'COMPLETED' state"):
            await achild(wait_for=[_bad.submit(1)])
        return Completed(data=state.name)

    assert (asyncio.run(aparent()) if is_async else parent()) == "NotReady"
    assert ran == []
    children = client.read_flow_runs(flow_filter=among("flows", name=("child", "achild"))["flows"])
    assert {run.state_name for run in children} == {"NotReady"}


def test_async_subflows_run_side_by_side() -> None:
    meeting = asyncio.Barrier(2)

    @flow
    async def child(x: int) -> tuple[int, str | None]:
        await asyncio.wait_for(meeting.wait(), 10)
        return x, runtime.flow_run.parent_flow_run_id

    @flow
    async def parent() -> Any:
        return runtime.flow_run.id, await asyncio.gather(child(1), child(2))

    own_id, children = asyncio.run(parent())
    assert children == [(1, own_id), (2, own_id)]


def test_a_sync_flow_can_be_called_in_an_async_one() -> None:
    @flow
    def child() -> int:
        return _good.submit(3).result()  # type: ignore[no-any-return]

    @flow
    async def parent() -> int:
        return child()

    assert asyncio.run(parent()) == 3


def test_an_outer_event_loop_goes_on_while_an_async_flow_writes() -> None:
    async def main() -> int:
        ticks = 0

        @flow
        async def work() -> None:
            await asyncio.sleep(0)

        running = asyncio.ensure_future(work())
        while not running.done():
            ticks += 1
            await asyncio.sleep(0)
        return ticks

    assert asyncio.run(main()) > 5


def test_defaults_for_retries_come_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATION_FLOW_DEFAULT_RETRIES", "1")
    calls: list[int] = []

    @flow
    def main() -> None:
        calls.append(1)
        raise ValueError("x")

    with test_harness():
        main(return_state=True)
        main.with_options(retries=0)(return_state=True)
    assert len(calls) == 3
