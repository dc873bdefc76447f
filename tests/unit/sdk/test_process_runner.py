"""``ProcessPoolTaskRunner``: submitted tasks in processes of their own."""

import os
import signal
import threading
from typing import Any

import pytest

from orchestration import ProcessPoolTaskRunner, State, flow, get_run_logger, runtime, tags, task
from orchestration.domain.errors import FailedRun, UsageError
from orchestration.sdk.client import SyncClient

pytestmark = pytest.mark.usefixtures("session")
ENOUGH = 60.0


class OddError(Exception):
    """An exception that cannot be unpickled, as many with arguments of their own."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"odd {one} {two}")


@task
def _facts(x: Any) -> Any:
    get_run_logger().info("in the process")
    print("printed")  # noqa: T201 - what log_prints is for
    return x, os.getpid(), runtime.flow_run.name, runtime.flow_run.parameters, runtime.task_run.name


@task
async def _async_square(x: int) -> int:
    return x * x


@task(retries=1)
def _raise(error: BaseException) -> None:
    raise error


@task
def _raise_odd() -> None:
    raise OddError(1, 2)


@task
def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@task
def _lock() -> Any:
    return threading.Lock()


def test_everything_a_task_knows_it_knows_in_its_process(client: SyncClient) -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1), flow_run_name="known", log_prints=True)
    def main(month: str) -> Any:
        with tags("a"):
            first = _facts.submit(1)
        return first.result(), _facts.submit([first]).result()[0], _async_square.map([2, 3]).result()

    first, second, squares = main("2021-01")
    assert first[0] == 1
    assert first[1] != os.getpid()
    assert first[2:] == ("known", {"month": "2021-01"}, "_facts-0")
    assert second == [first]
    assert squares == [4, 9]
    runs = client.read_task_runs()
    assert [(run.name, run.state_name, run.run_count) for run in runs[:2]] == [
        ("_facts-0", "Completed", 1), ("_facts-1", "Completed", 1),
    ]  # fmt: skip
    assert runs[0].tags == ("a",)
    assert [state.name for state in client.read_task_run_states(runs[0].id)] == ["Pending", "Running", "Completed"]
    lines = [line.message for line in client.read_logs() if line.task_run_id == runs[0].id]
    assert lines[:2] == ["in the process", "printed"]


def test_failures_come_back_as_what_they_were(client: SyncClient) -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def main() -> dict[str, State]:
        futures = {
            "value": _raise.submit(ValueError("x")),
            "exit": _raise.submit(SystemExit(3)),
            "odd": _raise_odd.submit(),
            "result": _lock.submit(),
            "argument": _facts.submit(threading.Lock()),
        }
        for future in futures.values():
            future.wait(ENOUGH)
        waiting = _facts.submit(futures["value"])
        waiting.wait(ENOUGH)
        return {**{name: future.state for name, future in futures.items()}, "waiting": waiting.state}

    states = main()
    assert {name: state.name for name, state in states.items()} == {
        "value": "Failed", "exit": "Crashed", "odd": "Failed", "result": "Failed", "argument": "Failed",
        "waiting": "NotReady",
    }  # fmt: skip
    with pytest.raises(ValueError, match="x"):
        states["value"].result()
    with pytest.raises(FailedRun, match="OddError: odd 1 2"):
        states["odd"].result()
    for name in ("result", "argument"):
        assert "cannot pickle" in str(states[name].message)
    assert {run.name: run.run_count for run in client.read_task_runs()}["_raise-0"] == 2


def test_a_process_that_is_killed_crashes_its_task() -> None:
    @flow(task_runner=ProcessPoolTaskRunner)
    def main() -> State:
        future = _die.submit()
        future.wait(ENOUGH)
        return State(future.state.type, future.state.name, future.state.message)

    state = main(return_state=True)
    assert state.is_crashed()
    assert "it was killed, or ran out of memory" in str(state.message)


def test_a_runner_without_processes_is_refused() -> None:
    with pytest.raises(UsageError, match="max_workers is 0; use 1 or more"):
        ProcessPoolTaskRunner(max_workers=0)
