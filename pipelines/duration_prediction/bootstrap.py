"""How sure one may be that one model is better than another, from the trips that both predicted."""

from dataclasses import dataclass

import numpy as np

Minutes = np.ndarray[tuple[int], np.dtype[np.float64]]

ROUNDS = 500
BLOCKS = 1_000


@dataclass(frozen=True)
class Interval:
    """An estimate in minutes, and the ends of the interval around it."""

    low: float
    estimate: float
    high: float
    confidence: float


def rmse_difference(
    actual: Minutes, challenger: Minutes, champion: Minutes, confidence: float = 0.95, seed: int = 42
) -> Interval:
    """The challenger's RMSE minus the champion's, in minutes, with its percentile bootstrap interval.

    The trips are in the order of time; blocks of neighbours are drawn instead of single trips (Kuensch, "The jackknife
    and the bootstrap for general stationary observations", 1989), because the trips of one hour share its traffic.
    """
    squared = np.stack([(challenger - actual) ** 2, (champion - actual) ** 2])
    starts = np.linspace(0, len(actual), min(BLOCKS, len(actual)) + 1).astype("int64")[:-1]
    sums = np.add.reduceat(squared, starts, axis=1)
    sizes = np.diff(np.append(starts, len(actual)))
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(starts), size=(ROUNDS, len(starts)))
    totals = sizes[drawn].sum(axis=1)
    first, second = (np.sqrt(row[drawn].sum(axis=1) / totals) for row in sums)
    low, high = np.quantile(first - second, [(1 - confidence) / 2, (1 + confidence) / 2])
    first_whole, second_whole = np.sqrt(squared.mean(axis=1))
    return Interval(float(low), float(first_whole - second_whole), float(high), confidence)
