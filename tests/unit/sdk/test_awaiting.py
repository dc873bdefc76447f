"""One name for sync and async callers."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import orchestration
from orchestration import flow, task
from orchestration.domain.states import Ready, in_async_code
from orchestration.sdk.awaiting import awaited, dispatch, either, finish, plainly

ROOT = Path(orchestration.__file__).parents[1]


def _thread() -> str:
    return threading.current_thread().name


def test_sync_code_gets_the_value_from_its_own_thread() -> None:
    assert dispatch(_thread) == "MainThread"


def test_async_code_gets_an_awaitable_of_a_value_from_a_worker_thread() -> None:
    async def main() -> tuple[bool, str]:
        return in_async_code(), await dispatch(_thread)

    is_async, thread = asyncio.run(main())
    assert is_async
    assert thread.startswith("asyncio_")


@pytest.mark.usefixtures("session")
def test_a_sync_run_within_async_code_is_sync_code() -> None:
    @flow
    def inner() -> tuple[bool, str]:
        return in_async_code(), dispatch(_thread)

    @flow
    async def outer() -> tuple[bool, str]:
        return inner()

    assert asyncio.run(outer()) == (False, "MainThread")


@pytest.mark.usefixtures("session")
def test_an_async_run_that_is_driven_without_a_loop_gets_the_value() -> None:
    @task
    async def work() -> bool:
        return in_async_code()

    @flow
    def main() -> bool:
        return bool(work.submit().result())

    assert main()
    assert not in_async_code()


def test_an_awaitable_is_finished_with_and_without_a_running_loop() -> None:
    async def value(fails: bool) -> int:
        await asyncio.sleep(0)
        if fails:
            raise ValueError("x")
        return 3

    async def beside() -> int:
        with pytest.raises(ValueError, match="x"):
            finish(value(True))
        return finish(value(False))

    assert finish(value(False)) == asyncio.run(beside()) == 3


def test_a_value_that_is_ready_can_be_awaited() -> None:
    async def main() -> object:
        return await Ready(3)

    assert asyncio.run(main()) == 3


def test_async_code_works_whoever_is_imported_first(tmp_path: Path) -> None:
    """Loading the C half of asyncio before asyncio gives it a state of its own, in which no task is ever running."""
    program = (
        "from orchestration import flow, task\n"
        "import asyncio\n"
        "@task\n"
        "async def work():\n"
        "    return asyncio.current_task() is not None\n"
        "@flow\n"
        "async def main():\n"
        "    return await work()\n"
        "print(asyncio.run(main()))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(program)
    environ = {"ORCHESTRATION_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr


class Counter:
    def __init__(self) -> None:
        self.calls = 0
        self.threads: set[int] = set()

    @either
    def count(self, by: int = 1) -> int:
        """Count up."""
        self.calls += by
        self.threads.add(threading.get_ident())
        return self.calls

    acount = awaited(count)


def test_sync_code_gets_the_value() -> None:
    counter = Counter()
    assert counter.count(2) == 2
    assert counter.threads == {threading.get_ident()}


def test_async_code_may_await_it_and_the_loop_goes_on() -> None:
    counter = Counter()

    async def main() -> int:
        awaitable: object = counter.count(3)
        assert not isinstance(awaitable, int)
        return await awaitable  # type: ignore[misc, no-any-return]

    assert asyncio.run(main()) == 3
    assert threading.get_ident() not in counter.threads


def test_the_twin_is_always_awaited() -> None:
    counter = Counter()
    assert asyncio.run(counter.acount(by=4)) == 4
    assert (Counter.acount.__name__, Counter.acount.__doc__) == ("acount", "The async twin of ``count``.")


def test_code_that_cannot_await_gets_the_value_even_in_async_code() -> None:
    counter = Counter()

    async def main() -> int:
        return plainly(counter.count)(5)

    assert asyncio.run(main()) == 5
    assert plainly([1, 2].count)(2) == 1
    assert plainly(len)([]) == 0
