"""Many scripts at once: ``python -m tests.support.crowd COUNT`` prints, as JSON, how each of them ended.

Each script is a process of its own that runs one flow with two tasks. They are forked from one that has the modules
loaded and the store not open, so that two hundred of them cost seconds, and they wait for each other before they
open the store, so that they really meet there.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time

from orchestration import flow, get_run_logger, task, test_harness


@task
def double(number: int) -> int:
    """Half of a script's work."""
    get_run_logger().info("script %s, task", number)
    return 2 * number


@flow(name="one of many")
def script(number: int) -> int:
    """What one script does: two tasks and three log lines."""
    get_run_logger().info("script %s, flow", number)
    return double(number) + double(number)


def _fork(number: int, gate: tuple[int, int]) -> int:
    """Start one script, which waits until all of them are there; its process id."""
    child = os.fork()
    if child:
        return child
    os.close(gate[1])
    os.read(gate[0], 1)  # ends when the parent, and all others, have closed the gate's other side
    assert script(number) == 4 * number
    sys.exit()


def main(count: int) -> None:
    """Run the crowd and tell how it ended."""
    with test_harness():
        script(0)  # loads what a run needs, and leaves neither a store open nor a thread running
    gc.freeze()  # a child's collector would copy every page that it looks at
    gate = os.pipe()
    children = [_fork(number, gate) for number in range(count)]
    started = time.perf_counter()
    os.close(gate[1])
    exits = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    answer = {"scripts": count, "failed": sum(map(bool, exits)), "seconds": round(time.perf_counter() - started, 2)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(int(sys.argv[1]))
