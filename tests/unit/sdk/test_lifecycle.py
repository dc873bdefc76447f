"""The life of a run: the steps alone, and an event loop that goes on while they are taken."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Failed,
    Paused,
    Pending,
    Retrying,
    Running,
    State,
    flow,
    get_client,
    runtime,
    task,
)  # fmt: skip
from orchestration.domain.states import StateType
from orchestration.sdk.client import SyncClient
from orchestration.sdk.lifecycle import Call, Effect, Propose, Sleep, lifecycle, seconds_until_due

pytestmark = pytest.mark.usefixtures("session")
ENOUGH = 20.0
"""Seconds after which something that ought to happen at once is given up."""
A_MOMENT = 1.0
"""Seconds after which the loop is taken to be held up."""


def _live(start: State, answers: list[State], run_count: int = 0) -> tuple[list[Effect], State]:
    """The effects that a life of these answers asks for, and its last state."""
    steps = lifecycle(start, run_count)
    asked = [next(steps)]
    for answer in answers:
        try:
            asked.append(steps.send(answer))
        except StopIteration as end:
            return asked, end.value
    raise AssertionError("the life did not end")


def _kinds(effects: list[Effect]) -> list[str]:
    return [effect.state.name if isinstance(effect, Propose) else type(effect).__name__ for effect in effects]


def test_a_life_that_goes_well() -> None:
    asked, last = _live(Pending(), [Running(), Completed(), Completed()])
    assert _kinds(asked) == ["Running", "Call", "Completed"]
    assert last.is_completed()


def test_a_retry_sleeps_until_its_time_and_starts_again() -> None:
    waiting = AwaitingRetry()
    asked, last = _live(Pending(), [Running(), Failed(), waiting, waiting, Retrying(), Completed(), Completed()])
    assert _kinds(asked) == ["Running", "Call", "Failed", "Sleep", "Retrying", "Call", "Completed"]
    assert last.is_completed()


def test_a_cache_hit_ends_the_life_without_a_call() -> None:
    asked, _ = _live(Pending(), [Completed(name="Cached")])
    assert _kinds(asked) == ["Running"]


def test_a_cancelled_run_is_not_called() -> None:
    asked, last = _live(Pending(), [Cancelling(), Cancelled()])
    assert _kinds(asked) == ["Running", "Cancelled"]
    assert last.is_cancelled()


def test_a_paused_run_asks_again() -> None:
    asked, _ = _live(Pending(), [Paused(), Paused(), Running(), Completed(), Completed()])
    assert _kinds(asked) == ["Running", "Sleep", "Running", "Call", "Completed"]


def test_a_run_that_started_before_is_retrying() -> None:
    asked, _ = _live(Pending(), [Retrying(), Completed(), Completed()], run_count=1)
    assert _kinds(asked) == ["Retrying", "Call", "Completed"]
    assert isinstance(asked[1], Call)


def test_an_ended_run_has_no_steps() -> None:
    with pytest.raises(StopIteration):
        next(lifecycle(Completed()))


def test_the_wait_lasts_until_the_scheduled_time() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=60)
    assert 59 < seconds_until_due(AwaitingRetry(soon)) <= 60
    assert seconds_until_due(AwaitingRetry(soon - timedelta(hours=1))) == 0
    assert seconds_until_due(Sleep(Pending()).state) == 0
    assert 0 < seconds_until_due(Paused()) <= 1


async def _beside(work: Awaitable[Any], started: threading.Event, then: Callable[[], None]) -> Any:
    """What ``work`` gives; once it has ``started``, this loop does ``then``, if it can."""
    running = asyncio.ensure_future(work)
    await asyncio.to_thread(started.wait, ENOUGH)
    then()
    return await running


class _SlowFolder:
    """A storage block whose writes end when the event loop says so."""

    def __init__(self) -> None:
        self.writing, self.go_on, self.on_time = threading.Event(), threading.Event(), False

    def read_path(self, path: str) -> bytes:
        raise ValueError(path)

    def write_path(self, path: str, content: bytes) -> None:
        self.writing.set()
        self.on_time = self.go_on.wait(A_MOMENT)


def test_the_loop_goes_on_while_a_task_s_result_is_written() -> None:
    folder = _SlowFolder()

    @task(persist_result=True, result_storage=folder)
    async def work() -> int:
        return 1

    assert asyncio.run(_beside(work(), folder.writing, folder.go_on.set)) == 1
    assert folder.on_time


def test_the_loop_goes_on_while_a_flow_s_result_is_written() -> None:
    folder = _SlowFolder()

    @flow(persist_result=True, result_storage=folder)
    async def main() -> int:
        return 1

    assert asyncio.run(_beside(main(), folder.writing, folder.go_on.set)) == 1
    assert folder.on_time


def test_the_loop_goes_on_while_a_returned_future_ends() -> None:
    started, go_on = threading.Event(), threading.Event()

    @task
    def inner() -> bool:
        started.set()
        return go_on.wait(A_MOMENT)

    @task
    async def outer() -> Any:
        return inner.submit()

    @flow
    async def main() -> Any:
        state = await outer(return_state=True)
        return (await state.aresult()).outcome()

    assert asyncio.run(_beside(main(), started, go_on.set)) is True


def test_the_loop_goes_on_while_a_retry_condition_is_awaited() -> None:
    asking, go_on = threading.Event(), threading.Event()
    answers: list[bool] = []

    async def condition(*_: Any) -> bool:
        asking.set()
        answers.append(await asyncio.to_thread(go_on.wait, A_MOMENT))
        return False

    @task(retries=1, retry_condition_fn=condition)
    async def work() -> None:
        raise ValueError("x")

    asyncio.run(_beside(work(return_state=True), asking, go_on.set))
    assert answers == [True]


def test_a_cancelled_coroutine_ends_its_runs_as_crashed(client: SyncClient) -> None:
    started = threading.Event()

    @task
    async def work() -> None:
        started.set()
        await asyncio.Event().wait()

    @flow
    async def main() -> None:
        await work()

    async def cancel() -> None:
        running = asyncio.ensure_future(main())
        await asyncio.to_thread(started.wait, ENOUGH)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel())
    (flow_run,), (task_run,) = client.read_flow_runs(), client.read_task_runs()
    for run in (flow_run, task_run):
        assert run.state is not None
        assert run.state.type is StateType.CRASHED
    assert flow_run.state is not None
    assert flow_run.state.message == "Execution was cancelled by the runtime environment."


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(2), GeneratorExit("odd")])
def test_what_ends_the_interpreter_ends_the_runs_as_crashed(error: BaseException, client: SyncClient) -> None:
    hooked: list[str] = []

    @task(retries=2)
    def work() -> None:
        raise error

    @flow(retries=2, on_crashed=[lambda flow, run, state: hooked.append(state.name)])
    def main() -> None:
        work()

    with pytest.raises(type(error)) as caught:
        main()
    assert caught.value is error
    assert [run.state_name for run in client.read_flow_runs()] == ["Crashed"]
    assert [run.state_name for run in client.read_task_runs()] == ["Crashed"]
    assert hooked == ["Crashed"]


def test_a_run_that_was_cancelled_meanwhile_is_not_retried() -> None:
    calls: list[int] = []

    @flow(retries=2)
    def main() -> None:
        calls.append(1)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(runtime.flow_run.id, Cancelling())
        raise ValueError("stopped")

    main(return_state=True)
    assert calls == [1]
