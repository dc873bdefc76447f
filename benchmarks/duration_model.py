"""The model of trip durations on real months: errors on pairs of months, time, memory, and trips predicted a second.

Needs the extra ``pipeline``, and months in the folder that ``TLC_DATA_DIR`` names; without one it says so and skips.
The rival is a plain gradient boosting of 500 slowly learnt trees on the same trips and columns.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.common import OURS, Contender, Figures, Options, Samples, compare, run_program
from benchmarks.report import Measure, main
from pipelines.tlc import Colour, Month

PROMISED = (((Month(2021, 1),), Month(2021, 2), 5.13), ((Month(2020, 12), Month(2021, 1)), Month(2021, 2), 4.98))
MANY = 11
PARTS = ("promised", "pairs", "costs")


def measure(options: Options, parts: Sequence[str] = PARTS) -> Sequence[Measure]:
    """Errors against the promise and the rival, then what a month and eleven of them cost; or only some of these."""
    folder = Path(os.environ.get("TLC_DATA_DIR", ""))
    months = sorted(Month.parse(path.stem[-7:]) for path in folder.glob(f"{Colour.GREEN}_tripdata_*.parquet"))
    if not os.environ.get("TLC_DATA_DIR") or not months:
        print("duration_model is skipped: TLC_DATA_DIR names no folder with the TLC's months.", file=sys.stderr)
        return []
    once = Options(1, options.peer_python)
    measures: list[Measure] = []
    if "promised" in parts:
        possible = [(learnt, judged, most) for learnt, judged, most in PROMISED if {*learnt, judged} <= set(months)]
        measures += [_promised(folder, learnt, judged, most, once) for learnt, judged, most in possible]
    if "pairs" in parts:
        pairs = [(month, month.next()) for month in months if month.next() in months]
        measures += _pairs(pairs, [_judge(folder, "rivals", after, [month], once) for month, after in pairs])
    if "costs" in parts:
        measures += _costs(folder, months, options)
    return measures


def _promised(folder: Path, learnt: Sequence[Month], judged: Month, at_most: float, options: Options) -> Measure:
    samples = _judge(folder, "alone", judged, learnt, options)
    what = f"RMSE {' + '.join(map(str, learnt))} -> {judged}"
    return Measure(what=what, unit="minutes", ours=samples.of(OURS, "rmse"), at_most=at_most)


def _pairs(pairs: Sequence[tuple[Month, Month]], judged: Sequence[Samples]) -> list[Measure]:
    """Each pair's RMSE beside that of the best baseline, and how near the rival the worst of them comes."""
    each = [
        Measure(
            what=f"RMSE {month} -> {after} (bare: best baseline)",
            unit="minutes",
            ours=samples.of(OURS, "rmse"),
            bare=samples.of(OURS, "baseline"),
        )
        for (month, after), samples in zip(pairs, judged, strict=True)
    ]
    ratios = [samples.of(OURS, "rmse")[0] / samples.of(OURS, "rival")[0] for samples in judged]
    if not ratios:
        return []
    worst = f"RMSE over that of 500 slow trees on the same columns, worst of {len(ratios)} pairs"
    return [*each, Measure(what=worst, unit="", ours=[max(ratios)], at_most=1.01)]


def _costs(folder: Path, months: Sequence[Month], options: Options) -> list[Measure]:
    one = _judge(folder, "alone", months[1], months[:1], options)
    many = _judge(folder, "alone", months[-1], months[:-1][:MANY], Options(1, options.peer_python))
    trips, all_trips = (int(samples.of(OURS, "trips")[0]) for samples in (one, many))
    per_trip = many.of(OURS, "fit_cpu_seconds")[0] / all_trips
    growth = per_trip / (min(one.of(OURS, "fit_cpu_seconds")) / trips)
    of_one, of_many = f"{trips:,} trips", f"{all_trips:,} trips"
    return [
        Measure(what=f"load, tune and fit {of_one}", unit="s", ours=one.of(OURS, "fit_seconds"), at_most=9),
        Measure(what=f"processor time of that, {of_one}", unit="s", ours=one.of(OURS, "fit_cpu_seconds")),
        Measure(what=f"peak memory of that, {of_one}", unit="MB", ours=one.of(OURS, "memory"), at_most=600),
        Measure(what=f"of each helper, {of_one}", unit="MB", ours=one.of(OURS, "helper_memory"), at_most=600),
        Measure(what=f"load, tune and fit {of_many}", unit="s", ours=many.of(OURS, "fit_seconds"), at_most=90),
        Measure(what=f"peak memory of that, {of_many}", unit="MB", ours=many.of(OURS, "memory"), at_most=1_500),
        Measure(what=f"of each helper, {of_many}", unit="MB", ours=many.of(OURS, "helper_memory"), at_most=1_500),
        Measure(what="processor time a trip, many over few", unit="", ours=[growth], at_most=1.1),
        Measure(
            what="to predict 80,000 trips with intervals",
            unit="s",
            ours=[80_000 / rate for rate in one.of(OURS, "rate")],
            at_most=1,
        ),
    ]


def _judge(folder: Path, mode: str, judged: Month, learnt: Sequence[Month], options: Options) -> Samples:
    def run(contender: Contender, home: Path) -> Figures:
        return run_program(contender, home, "duration_model.py", folder, mode, judged, *learnt)

    return compare(options, [Contender(OURS, sys.executable)], run, warm_up=False)


if __name__ == "__main__":
    chosen = argparse.ArgumentParser(add_help=False)
    chosen.add_argument("--only", choices=PARTS, action="append", dest="parts", help="one part; may be repeated")
    given, sys.argv[1:] = chosen.parse_known_args()
    main("duration_model", partial(measure, parts=given.parts or PARTS))
