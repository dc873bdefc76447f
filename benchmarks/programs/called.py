"""Flows of 1,000 and of 2,000 called no-op tasks; prints the seconds that each took, states and logs flushed."""

import json
import time

from orchestration import flow, task


@task
def noop(number: int) -> int:
    """What it was given."""
    return number


@flow
def calling(count: int) -> None:
    """Call the task so often."""
    for number in range(count):
        noop(number)


def seconds_of(count: int) -> float:
    """How long a flow of so many tasks takes."""
    begin = time.perf_counter()
    calling(count)
    return time.perf_counter() - begin


if __name__ == "__main__":
    seconds_of(10)
    print(json.dumps({"of_1000": seconds_of(1000), "of_2000": seconds_of(2000)}))
