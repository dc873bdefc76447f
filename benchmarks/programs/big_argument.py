"""A flow that passes 64 MB to no-op tasks; prints the milliseconds (median) of a called and of a submitted one."""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any

from orchestration import flow, task

SIZE = 64 << 20
CALLS = 9


@task
def noop(frame: Any) -> None:
    """Nothing."""


@flow
def passing(kind: str) -> dict[str, float]:
    """How long the tasks take."""
    frame = bytes(SIZE) if kind == "bytes" else import_module("numpy").ones((SIZE // 8 // 16, 16))
    called = [milliseconds(lambda: noop(frame)) for _ in range(CALLS)]
    if not hasattr(noop, "submit"):
        return {"called": median(called)}
    submitted = [milliseconds(lambda: noop.submit(frame).result()) for _ in range(CALLS)]
    return {"called": median(called), "submitted": median(submitted)}


def milliseconds(work: Callable[[], None]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    kind = sys.argv[1]
    print(json.dumps(passing(kind) if kind == "bytes" or find_spec("numpy") else {}))
