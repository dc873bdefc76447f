"""Enter and leave the test harness, for the first time in a process and then again; prints the milliseconds of each."""

import json
import sys
import time
from statistics import median

from orchestration import test_harness


def milliseconds() -> float:
    """How long a harness around nothing takes."""
    begin = time.perf_counter()
    with test_harness():
        pass
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    times = [milliseconds() for _ in range(1 + int(sys.argv[1]))]
    print(json.dumps({"first": times[0], "again": median(times[1:])}))
