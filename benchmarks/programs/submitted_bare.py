"""What ``submitted.py`` does, by the standard library's thread pool alone."""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median


def noop(number: int) -> int:
    """What it was given."""
    return number


def submitting(count: int) -> None:
    """Submit the function so often, and take every result."""
    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(noop, number) for number in range(count)]:
            future.result()


def mapping(count: int) -> None:
    """Map the function over so many numbers, and take every result."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(noop, list(range(count))))


def seconds_of(work: Callable[[int], None], count: int) -> float:
    """How long so many tasks take."""
    begin = time.perf_counter()
    work(count)
    return time.perf_counter() - begin


if __name__ == "__main__":
    chosen = {"submit": submitting, "map": mapping}[sys.argv[1]]
    slopes = [-seconds_of(chosen, 1000) + seconds_of(chosen, 2000) for _ in range(int(sys.argv[2]))]
    print(json.dumps({"slope": median(slopes)}))
