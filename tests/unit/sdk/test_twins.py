"""One method for sync and async callers."""

import asyncio
import threading

from orchestration.sdk.awaiting import plainly
from orchestration.sdk.flows import flow
from orchestration.sdk.testing import test_harness
from orchestration.sdk.twins import EitherTask, awaited, either


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


sent: list[str] = []


@EitherTask
def send(word: str) -> str:
    sent.append(word)
    return word.upper()


def test_a_task_for_both_runs_once_in_either_kind_of_flow() -> None:
    @flow
    def plain() -> str:
        word: str = send("plain")
        return word

    @flow
    async def asynchronous() -> str:
        send("forgotten")
        word: str = await send("awaited")
        return word

    sent.clear()
    with test_harness():
        assert plain() == "PLAIN"
        assert asyncio.run(asynchronous()) == "AWAITED"
    assert sorted(sent) == ["awaited", "forgotten", "plain"]
