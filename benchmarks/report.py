"""What is said of the figures: medians, the ratio of pairs, whether the target is met, and on which machine."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import Options, add_options, options_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One line of the table: what was measured, one value a round for each contender, and what is to be reached."""

    what: str
    unit: str
    ours: Sequence[float]
    bare: Sequence[float] = ()
    peer: Sequence[float] = ()
    at_most: float | None = None
    times_faster: float | None = None

    def ratio(self) -> float | None:
        """How many times as much Prefect needs: the median over the rounds, each with the same machine under both."""
        pairs = [peer / ours for peer, ours in zip(self.peer, self.ours, strict=False) if ours > 0]
        return median(pairs) if pairs else None

    def is_met(self) -> bool | None:
        """Whether the median reaches the target, and the ratio its own where Prefect ran; ``None`` without a target."""
        ratio, judged = self.ratio(), []
        if self.at_most is not None:
            judged.append(median(self.ours) <= self.at_most)
        if self.times_faster is not None and ratio is not None:
            judged.append(ratio >= self.times_faster)
        return all(judged) if judged else None

    def document(self) -> dict[str, Any]:
        """The measure as it is printed."""
        compared = {"peer": _median(self.peer), "ratio": _rounded(self.ratio())} if self.peer else {}
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": _median(self.ours),
            "ours_range": [_rounded(min(self.ours)), _rounded(max(self.ours))],
            "bare": _median(self.bare),
            **compared,
            "target": self.at_most,
            **({"target_ratio": self.times_faster} if self.times_faster is not None else {}),
            "met": self.is_met(),
        }


def claim_document(name: str, measures: Sequence[Measure], options: Options) -> dict[str, Any]:
    """What a benchmark prints: its first measure, the others under ``also``, and where they were taken.

    The load (processes that wanted a core in the last minute) tells a reader how far to trust the times: the benchmark
    itself accounts for about 1.
    """
    first, *others = [measure.document() for measure in measures]
    return {
        "benchmark": name,
        **first,
        **({"also": others} if others else {}),
        "runs": options.runs,
        "machine": {**machine(options.peer_python), "load": _rounded(os.getloadavg()[0])},
    }


def main(name: str, measure: Callable[[Options], Sequence[Measure]]) -> None:
    """The command line of one benchmark."""
    parser = argparse.ArgumentParser(description="Measure one claim; prints one JSON object.")
    add_options(parser)
    options = options_of(parser.parse_args())
    if measures := measure(options):
        print(json.dumps(claim_document(name, measures, options)))


@lru_cache(maxsize=1)
def machine(peer_python: str | None) -> dict[str, Any]:
    """What the figures depend on: processor, cores, and versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    version = {"prefect": _prefect_version(peer_python)} if peer_python else {}
    return {"cpu": _cpu(), "cores": cores, "system": platform.system(), "python": platform.python_version(), **version}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _prefect_version(python: str) -> str:
    ask = "import importlib.metadata; print(importlib.metadata.version('prefect'))"
    return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


def _median(values: Sequence[float]) -> float | None:
    return _rounded(median(values)) if values else None


def _rounded(value: float | None) -> float | None:
    """Four figures: more would be noise."""
    return None if value is None else float(f"{value:.4g}")
