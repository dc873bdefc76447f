"""Futures: waiting for one, for all, for whichever ends first, with and without an event loop."""

import asyncio
import threading
from typing import Any

import pytest

from orchestration import (
    State,
    TaskFuture,
    TaskFutureList,
    ThreadPoolTaskRunner,
    as_completed,
    flow,
    task,
    wait,
)  # fmt: skip
from orchestration.sdk.client import SyncClient
from orchestration.sdk.futures import DoneAndNotDone

pytestmark = pytest.mark.usefixtures("session")
ENOUGH = 20.0
BRIEF = 0.01


@task
def _echo(x: Any) -> Any:
    return x


@task
def _bad() -> None:
    raise ValueError("bad")


@task
def _after(gate: threading.Event, x: Any = None) -> Any:
    gate.wait(ENOUGH)
    return x


def test_a_future_tells_of_its_run(client: SyncClient) -> None:
    gate = threading.Event()

    @flow
    def main() -> None:
        future = _after.submit(gate, 7)
        assert not future.done()
        assert repr(future) in {"TaskFuture('_after-0', Pending)", "TaskFuture('_after-0', Running)"}
        gate.set()
        assert future.result(ENOUGH) == 7
        assert future.done()
        assert future.state.is_completed()
        assert future.task_run_id == client.read_task_runs()[0].id
        future.wait()
        assert asyncio.run(future.result_async()) == 7

    main()


def test_failures_are_raised_unless_asked_for() -> None:
    @flow
    def main() -> None:
        future = _bad.submit()
        with pytest.raises(ValueError, match="bad"):
            future.result()
        assert isinstance(future.result(raise_on_failure=False), ValueError)
        with pytest.raises(ValueError, match="bad"):
            TaskFutureList([_echo.submit(1), future]).result()
        answers = TaskFutureList([_echo.submit(1), future]).result(raise_on_failure=False)
        assert (answers[0], str(answers[1])) == (1, "bad")
        with pytest.raises(ValueError, match="bad"):
            asyncio.run(future.aresult())
        assert isinstance(asyncio.run(future.aresult(raise_on_failure=False)), ValueError)

    main(return_state=True).result()


def test_what_takes_too_long_is_given_up() -> None:
    gate = threading.Event()

    @flow
    def main() -> None:
        try:
            slow, quick = _after.submit(gate), _echo.submit(1)
            with pytest.raises(TimeoutError, match=r"Task run '_after-0' did not end within 0\.01 seconds"):
                slow.result(BRIEF)
            slow.wait(BRIEF)
            with pytest.raises(TimeoutError):
                TaskFutureList([quick, slow]).result(BRIEF)
            TaskFutureList([slow]).wait(BRIEF)
            quick.wait(ENOUGH)
            done, not_done = wait([slow, quick], BRIEF)
            assert (done, not_done) == ({quick}, {slow})
            with pytest.raises(TimeoutError, match=r"1 of 2 task runs did not end in 0\.01 seconds"):
                list(as_completed([slow, quick], BRIEF))
        finally:
            gate.set()

    main()


def test_waiting_for_all() -> None:
    @flow
    def main() -> DoneAndNotDone:
        futures = [_echo.submit(1), _bad.submit()]
        ended = wait(futures)
        assert ended.done == set(futures)
        assert ended.not_done == set()
        return wait([])

    state = main(return_state=True)
    assert state.is_completed()
    assert tuple(state.result()) == (set(), set())


def test_futures_come_in_the_order_in_which_they_end() -> None:
    gates = [threading.Event() for _ in range(3)]

    @flow
    def main() -> list[int]:
        futures = [_after.submit(gate, number) for number, gate in enumerate(gates)]
        order = [2, 0, 1]
        gates[order[0]].set()
        seen = []
        for future in as_completed([*futures, futures[0]]):
            seen.append(future.result())
            for number in order[len(seen) : len(seen) + 1]:
                gates[number].set()
        return seen

    assert main() == [2, 0, 1]
    assert list(as_completed([])) == []


def test_callbacks_are_called_once_each_now_or_later() -> None:
    gate = threading.Event()
    told: list[str] = []

    def raising(_: TaskFuture[Any]) -> None:
        told.append("raising")
        raise ValueError("of a callback")

    @flow
    def main() -> None:
        future = _after.submit(gate)
        future.add_done_callback(raising)
        future.add_done_callback(lambda done: told.append(f"later {done.state.name}"))
        gate.set()
        future.wait(ENOUGH)
        future.add_done_callback(lambda done: told.append("now"))
        future.add_done_callback(raising)

    main()
    assert sorted(told) == ["later Completed", "now", "raising", "raising"]


def test_an_event_loop_goes_on_while_a_future_is_awaited() -> None:
    gate = threading.Event()

    @flow
    async def main() -> Any:
        future = _after.submit(gate, 5)
        await future.wait_async(BRIEF)
        assert not future.done()
        with pytest.raises(TimeoutError):
            await future.result_async(BRIEF)
        waiting = asyncio.create_task(future.result_async())
        await asyncio.sleep(0)
        assert not waiting.done()
        gate.set()
        return await asyncio.wait_for(waiting, ENOUGH)

    assert asyncio.run(main()) == 5


def test_a_loop_that_is_closed_before_the_end_keeps_nobody_waiting() -> None:
    gate = threading.Event()

    @flow
    def main() -> Any:
        future = _after.submit(gate, 5)
        asyncio.run(future.wait_async(BRIEF))
        gate.set()
        return future.result(ENOUGH)

    assert main() == 5


@pytest.mark.parametrize("workers", [None, 1])
def test_a_thousand_runs_end_in_order(workers: int | None, client: SyncClient) -> None:
    @flow(task_runner=ThreadPoolTaskRunner(max_workers=workers))
    def main() -> Any:
        futures = _echo.map(range(1000))
        assert sum(1 for _ in as_completed(futures, ENOUGH)) == 1000
        return futures.result()

    assert main() == list(range(1000))
    runs = client.read_task_runs(limit=1001)
    assert (len(runs), {run.state_name for run in runs}) == (1000, {"Completed"})


def test_the_only_worker_is_lent_by_whoever_waits() -> None:
    @task
    def inner(x: int) -> int:
        return x * x

    @task
    def outer(how: str) -> int:
        futures = inner.map([1, 2, 3])
        if how == "wait":
            wait(futures)
        if how == "as_completed":
            return sum(future.result() for future in as_completed(futures))
        if how == "state":
            states: list[State] = inner.map([1, 2, 3], return_state=True)
            return sum(state.result() for state in states)
        return sum(futures.result())

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def main() -> Any:
        return outer.map(["result", "wait", "as_completed", "state"]).result(ENOUGH)

    assert main() == [14, 14, 14, 14]
