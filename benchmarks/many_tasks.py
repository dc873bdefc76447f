"""100,000 tasks in one flow: the memory that they take at most, and whether twice as many take twice as long.

Prefect does not take part: at 3 to 5 ms a task, the rounds would take an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import BARE, OURS, Contender, Figures, Options, compare, run_program
from benchmarks.report import Measure, main

TASKS = 100_000
LINEAR = 1.15
"""Time of 100,000 over twice the time of 50,000: 1 is linear; a quadratic part would show as 1.5 or 2."""


def measure(options: Options) -> Sequence[Measure]:
    """Megabytes at the peak, and the ratio of times, for called and for mapped tasks."""
    contenders = [contender for contender in options.contenders() if contender.name in (OURS, BARE)]
    samples = compare(options, contenders, _run, warm_up=False)

    def line(what: str, unit: str, figure: str, at_most: float) -> Measure:
        ours, bare = samples.of(OURS, figure), samples.of(BARE, figure)
        return Measure(what=what, unit=unit, ours=ours, bare=bare, at_most=at_most)

    return [
        line("100,000 called tasks in one flow, peak memory", "MB", "call_peak", 250),
        line("100,000 mapped tasks in one flow, peak memory", "MB", "map_peak", 450),
        line("time of 100,000 called tasks / time of 2 x 50,000", "x", "call_growth", LINEAR),
        line("time of 100,000 mapped tasks / time of 2 x 50,000", "x", "map_growth", LINEAR),
    ]


def _run(contender: Contender, home: Path) -> Figures:
    if contender.name == BARE:
        figures = run_program(contender, home, "many.py", "call", TASKS)
        return {"call_peak": figures["peak"], "map_peak": figures["peak"]}
    figures = {}
    for how in ("call", "map"):
        half, whole = (run_program(contender, home, "many.py", how, count) for count in (TASKS // 2, TASKS))
        figures[f"{how}_peak"] = whole["peak"]
        figures[f"{how}_growth"] = whole["flow_seconds"] / half["flow_seconds"] / 2
    return figures


if __name__ == "__main__":
    main("many_tasks", measure)
