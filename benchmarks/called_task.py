"""What a called no-op task costs, its states and logs in the store: the slope between 1,000 and 2,000 of them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common import BARE, OURS, PEER, Options, Samples, compare, run_program
from benchmarks.report import Measure, main
from benchmarks.stored import check_all_is_stored


def measure(options: Options) -> Sequence[Measure]:
    """Milliseconds a task: (time of 2,000 - time of 1,000) / 1,000, in one process."""
    check_all_is_stored("call", 1000)
    samples = compare(options, options.contenders(), lambda contender, home: run_program(contender, home, "called.py"))
    return [
        Measure(
            what="a called no-op task, all states and logs flushed",
            unit="ms",
            ours=_slopes(samples, OURS),
            bare=_slopes(samples, BARE),
            peer=_slopes(samples, PEER),
            at_most=0.15,
        )
    ]


def _slopes(samples: Samples, contender: str) -> list[float]:
    pairs = zip(samples.of(contender, "of_2000"), samples.of(contender, "of_1000"), strict=True)
    return [two_thousand - one_thousand for two_thousand, one_thousand in pairs]


if __name__ == "__main__":
    main("called_task", measure)
