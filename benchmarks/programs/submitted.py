"""Pairs of flows of 1,000 and 2,000 submitted or mapped no-op tasks; prints what a task, and the end, cost (ms)."""

import json
import sys
import time
from statistics import median
from typing import Any

from orchestration import flow, task

last_result = 0.0


@task
def noop(number: int) -> int:
    """What it was given."""
    return number


@flow
def submitting(count: int) -> None:
    """Submit the task so often, and take every result."""
    global last_result  # noqa: PLW0603 - the flow tells when it had all it wanted
    for future in [noop.submit(number) for number in range(count)]:
        future.result()
    last_result = time.perf_counter()


@flow
def mapping(count: int) -> None:
    """Map the task over so many numbers, and take every result."""
    global last_result  # noqa: PLW0603 - see above
    noop.map(list(range(count))).result()
    last_result = time.perf_counter()


def timed(flow_of_tasks: Any, count: int) -> tuple[float, float]:
    """How long a flow of so many tasks takes, and how much of that after its last result."""
    begin = time.perf_counter()
    flow_of_tasks(count)
    end = time.perf_counter()
    return end - begin, end - last_result


if __name__ == "__main__":
    chosen = {"submit": submitting, "map": mapping}[sys.argv[1]]
    timed(chosen, 10)
    slopes, waits = [], []
    for _ in range(int(sys.argv[2])):
        of_1000 = timed(chosen, 1000)[0]
        of_2000, wait = timed(chosen, 2000)
        slopes.append(of_2000 - of_1000)
        waits.append(wait * 1000)
    print(json.dumps({"slope": median(slopes), "wait": median(waits)}))
