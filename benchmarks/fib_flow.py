"""40 x fib(10) as 40 task calls in one flow, over the bare loop: the first call in a process, and the second."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common import OURS, PEER, Options, compare, run_program
from benchmarks.report import Measure, main


def measure(options: Options) -> Sequence[Measure]:
    """Seconds over those of the bare loop, which every process runs itself, just before."""
    contenders = [contender for contender in options.contenders() if contender.name in (OURS, PEER)]
    samples = compare(options, contenders, lambda contender, home: run_program(contender, home, "fib.py"))

    def over_bare(contender: str, call: str) -> list[float]:
        pairs = zip(samples.of(contender, call), samples.of(contender, "bare"), strict=True)
        return [seconds - bare for seconds, bare in pairs]

    def line(call: str, at_most: float) -> Measure:
        return Measure(
            what=f"40 x fib(10) as 40 tasks of one flow, over the bare loop, {call} call in a process",
            unit="s",
            ours=over_bare(OURS, call),
            bare=samples.of(OURS, "bare"),
            peer=over_bare(PEER, call),
            at_most=at_most,
        )

    return [line("first", 0.30), line("second", 0.03)]


if __name__ == "__main__":
    main("fib_flow", measure)
