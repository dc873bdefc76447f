"""``submit`` and ``map``: what runs, in which context, with which arguments."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from orchestration import (
    State,
    ThreadPoolTaskRunner,
    allow_failure,
    flow,
    get_run_logger,
    runtime,
    tags,
    task,
    transaction,
    unmapped,
)
from orchestration.domain.errors import MappingLengthMismatch, MappingMissingIterable
from orchestration.sdk.client import SyncClient

pytestmark = pytest.mark.usefixtures("session")
ENOUGH = 20.0
"""Seconds after which something that ought to happen at once is given up."""


@task
def _same(x: Any) -> Any:
    return x


@task
def _pair(x: Any, y: Any, z: Any = 3) -> Any:
    return x, y, z


@task
def _bad(x: int = 1) -> int:
    raise ValueError(f"bad {x}")


def test_a_submitted_task_runs_beside_its_flow() -> None:
    started, go_on = threading.Event(), threading.Event()

    @task
    def work() -> str:
        started.set()
        assert go_on.wait(ENOUGH)
        return threading.current_thread().name

    @flow
    def main() -> str:
        future = work.submit()
        assert started.wait(ENOUGH)
        assert not future.done()
        go_on.set()
        return str(future.result())

    assert main() == "orchestration-task"


def test_a_flow_ends_after_all_that_it_submitted(client: SyncClient) -> None:
    go_on = threading.Event()

    @task
    def work() -> None:
        assert go_on.wait(ENOUGH)

    @flow
    def main() -> None:
        for _ in range(3):
            work.submit()
        threading.Timer(0.01, go_on.set).start()

    main()
    assert [run.state_name for run in client.read_task_runs()] == ["Completed"] * 3


def test_a_state_can_be_had_in_place_of_a_future() -> None:
    @flow
    def main() -> tuple[str, list[str]]:
        state: State = _same.submit(1, return_state=True)
        return state.name, [each.name for each in _bad.map([1, 2], return_state=True)]

    assert main() == ("Completed", ["Failed", "Failed"])


def test_a_submitted_task_waits_for_what_it_is_given() -> None:
    go_on = threading.Event()
    order: list[str] = []

    @task
    def first() -> int:
        assert go_on.wait(ENOUGH)
        order.append("first")
        return 1

    @task
    def second(x: Any) -> Any:
        order.append("second")
        return x

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def main() -> Any:
        later = second.submit({"deep": [first.submit()]})
        after = second.submit(2, wait_for=[later])
        go_on.set()
        return later.result(), after.result()

    assert main() == ({"deep": [1]}, 2)
    assert order == ["first", "second", "second"]


def test_a_failure_reaches_all_that_wait_for_it() -> None:
    @flow
    def main() -> list[str]:
        failed = _bad.submit()
        direct, indirect = _same.submit([failed]), _same.submit(_same.submit(failed))
        allowed = _same.submit(1, wait_for=[allow_failure(failed)])
        for future in (direct, indirect, allowed):
            future.wait()
        return [future.state.name for future in (direct, indirect, allowed)]

    assert main() == ["NotReady", "NotReady", "Completed"]


def test_map_runs_once_for_each_element() -> None:
    def numbers() -> Iterator[int]:
        yield from (4, 5)

    @flow
    def main() -> Any:
        return (
            _pair.map([1, 2], y=(3, 4)).result(),
            _pair.map(numbers(), unmapped([5, 6]), z="text").result(),
            _pair.map(range(2), y=None, z=b"ab").result(),
            sorted(_same.map({7, 8}).result()),
            _same.map([]).result(),
        )

    assert main() == (
        [(1, 3, 3), (2, 4, 3)],
        [(4, [5, 6], "text"), (5, [5, 6], "text")],
        [(0, None, b"ab"), (1, None, b"ab")],
        [7, 8],
        [],
    )


def test_elements_that_are_futures_are_waited_for() -> None:
    @flow
    def main() -> Any:
        return _same.map([_same.submit(1), 2]).result(), _same.map(_same.map([3, 4])).result()

    assert main() == ([1, 2], [3, 4])


def test_map_takes_allowed_failures_and_waits_for_what_it_is_told() -> None:
    @flow
    def main() -> Any:
        failed = _bad.submit()
        values = _same.map(allow_failure([failed, 1])).result()
        waiting = _same.map([1, 2], wait_for=[failed])
        waiting.wait()
        return [repr(value) for value in values], [future.state.name for future in waiting]

    assert main() == (["ValueError('bad 1')", "1"], ["NotReady", "NotReady"])


def test_map_needs_something_to_map_over() -> None:
    @flow
    def main() -> None:
        with pytest.raises(MappingMissingIterable, match=r"_same.map\(\) has no iterable; give a list"):
            _same.map(1)
        with pytest.raises(MappingMissingIterable):
            _same.map("text")
        with pytest.raises(MappingMissingIterable):
            _same.map(unmapped([1]))
        with pytest.raises(MappingLengthMismatch, match=r"different lengths \(x: 2, y: 1\)"):
            _pair.map([1, 2], [1])
        with pytest.raises(MappingLengthMismatch):
            _pair.map([1, 2], [1], z=unmapped([1]))

    main()


@pytest.mark.parametrize("kind", ["future", "state"])
def test_map_goes_over_the_result_of_a_future_or_state(kind: str) -> None:
    @task
    def numbers() -> list[int]:
        return [1, 2, 3]

    @flow
    def main() -> Any:
        return _same.map(numbers.submit() if kind == "future" else numbers(return_state=True)).result()

    assert main() == [1, 2, 3]


def test_map_goes_over_the_keys_of_a_mapping() -> None:
    @flow
    def main() -> Any:
        return _same.map({"a": 1, "b": 2}).result()

    assert main() == ["a", "b"]


def test_a_thousand_runs_can_be_mapped() -> None:
    @flow
    def main() -> int:
        return int(sum(_same.map(range(1000)).result()))

    assert main() == 499_500


def test_a_submitted_task_knows_its_flow_run() -> None:
    @task
    def facts() -> Any:
        return runtime.flow_run.name, runtime.flow_run.parameters, _same(runtime.task_run.name)

    @flow(flow_run_name="known")
    def main(x: int = 1) -> Any:
        return facts.submit().result()

    assert main() == ("known", {"x": 1}, "facts-0")


@pytest.mark.parametrize("workers", [None, 1])
def test_submitted_tasks_can_submit_and_wait(workers: int | None) -> None:
    @task
    def outer(x: int) -> int:
        return int(_same.submit(x).result(ENOUGH) + sum(_same.map([x, x]).result(ENOUGH)))

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=workers))
    def main() -> Any:
        return outer.map([1, 2, 3]).result(ENOUGH)

    assert main() == [3, 6, 9]


def test_a_task_called_in_a_submitted_task_belongs_to_the_flow_run(client: SyncClient) -> None:
    @task
    def outer() -> Any:
        return _same(1)

    @flow
    def main() -> Any:
        with tags("all"):
            return outer.submit().result()

    main()
    assert {(run.flow_run_id, run.tags) for run in client.read_task_runs()} == {
        (client.read_flow_runs()[0].id, ("all",))
    }


def test_a_submitted_task_joins_the_transaction_around_it() -> None:
    undone: list[str] = []

    @task(on_rollback=[lambda transaction: undone.append("work")])
    def work() -> None: ...

    @flow
    def main() -> None:
        with transaction():
            work.submit().wait()
            raise ValueError("x")

    main(return_state=True)
    assert undone == ["work"]


def test_a_subflow_can_be_called_in_a_submitted_task() -> None:
    @flow
    def child() -> str | None:
        return runtime.flow_run.parent_flow_run_id

    @task
    def work() -> str | None:
        return child()

    @flow
    def main() -> bool:
        return bool(work.submit().result() == runtime.flow_run.id)

    assert main()


def test_tags_of_the_caller_are_tags_of_what_it_submits(client: SyncClient) -> None:
    @flow
    def main() -> None:
        with tags("a", "b"):
            _same.submit(1)
        _same.submit(2)

    main()
    assert sorted(run.tags for run in client.read_task_runs()) == [(), ("a", "b")]


def test_lines_logged_in_a_submitted_task_belong_to_it(client: SyncClient) -> None:
    @task
    def work() -> None:
        get_run_logger().info("from work")

    @flow
    def main() -> None:
        work.submit()

    main()
    (line,) = [line for line in client.read_logs() if line.message == "from work"]
    assert line.task_run_id == client.read_task_runs()[0].id
    assert line.flow_run_id == client.read_flow_runs()[0].id


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_a_submitted_task_that_ends_by_an_exit_is_crashed_and_its_flow_goes_on(error: BaseException) -> None:
    @task
    def work() -> None:
        raise error

    @flow
    def main() -> Any:
        future = work.submit()
        future.wait(ENOUGH)
        return future.state.name

    assert main() == "Crashed"


def test_a_submitted_task_that_cannot_be_named_is_failed() -> None:
    @flow
    def main() -> Any:
        future = _same.with_options(task_run_name="{nope}").submit(1)
        future.wait(ENOUGH)
        return future.state.name

    assert main() == "Failed"


def test_async_tasks_can_be_submitted_from_sync_and_async_flows() -> None:
    @task
    async def work(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    @flow
    def main() -> Any:
        return work.submit(1).result(), work.map([2, 3]).result()

    @flow
    async def amain() -> Any:
        futures = work.map([2, 3])
        return await work.submit(1).result_async(), [await future.aresult() for future in futures]

    assert main() == asyncio.run(amain()) == (2, [3, 4])


def test_a_flow_that_fails_starts_nothing_more(client: SyncClient) -> None:
    started, go_on = threading.Event(), threading.Event()

    @task
    def first() -> None:
        started.set()
        assert go_on.wait(ENOUGH)

    @flow
    def main() -> None:
        waiting = first.submit()
        _same.submit(1, wait_for=[waiting])
        assert started.wait(ENOUGH)
        threading.Timer(0.05, go_on.set).start()
        raise ValueError("x")

    assert main(return_state=True).is_failed()
    states = [(run.name, run.state_name) for run in client.read_task_runs()]
    assert states == [("first-0", "Completed"), ("_same-0", "Cancelled")]
