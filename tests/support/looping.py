"""A script whose flow runs again and again; it tells when each of its runs has ended."""

from __future__ import annotations

import sys

from orchestration import flow, get_run_logger, task

TASKS = 40


@task
def step(script: int, round_: int, number: int) -> int:
    """One task, with a line that nobody else logs."""
    get_run_logger().info("script %d, round %d, task %d", script, round_, number)
    return number


@flow(name="looping")
def many_steps(script: int, round_: int) -> int:
    """So many tasks, one after the other."""
    return sum(step(script, round_, number) for number in range(TASKS))


def main(script: int, rounds: int) -> None:
    """Run the flow ``rounds`` times."""
    for round_ in range(rounds):
        assert many_steps(script, round_) == sum(range(TASKS))
        sys.stdout.write(f"{round_}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
