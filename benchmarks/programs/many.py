"""One flow of many called or mapped tasks; prints its seconds and the most memory (MB) that the process ever held."""

import json
import resource
import sys
import time

from orchestration import flow, task


@task
def noop(number: int) -> int:
    """What it was given."""
    return number


@flow
def many(how: str, count: int) -> None:
    """Run so many tasks: called or mapped."""
    if how == "map":
        noop.map(list(range(count))).result()
    else:
        for number in range(count):
            noop(number)


if __name__ == "__main__":
    many(sys.argv[1], 10)
    begin = time.perf_counter()
    many(sys.argv[1], int(sys.argv[2]))
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    print(json.dumps({"flow_seconds": seconds, "peak": peak}))
