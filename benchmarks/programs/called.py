"""Pairs of flows of 1,000 and 2,000 called no-op tasks; prints what a task costs (ms), its states and logs flushed."""

import json
import sys
import time
from statistics import median

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
    slopes = [-seconds_of(1000) + seconds_of(2000) for _ in range(int(sys.argv[1]))]
    print(json.dumps({"slope": median(slopes)}))
