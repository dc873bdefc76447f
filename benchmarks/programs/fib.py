"""40 x fib(10) as 40 task calls in one flow; prints the seconds of the bare loop, and of the first and second run."""

import json
import time
from collections.abc import Callable

from orchestration import flow, task


def fib(number: int) -> int:
    """The Fibonacci number, the slow way."""
    return number if number < 2 else fib(number - 1) + fib(number - 2)


@task
def fib_task(number: int) -> int:
    """The same as a task."""
    return fib(number)


@flow
def fib_flow() -> list[int]:
    """Forty calls of the task."""
    return [fib_task(10) for _ in range(40)]


def bare_loop() -> list[int]:
    """Forty calls of the function."""
    return [fib(10) for _ in range(40)]


def seconds_of(work: Callable[[], list[int]]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    print(json.dumps({name: seconds_of(work) for name, work in (
        ("bare", bare_loop), ("first", fib_flow), ("second", fib_flow)
    )}))
