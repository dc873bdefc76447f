"""How wide a prediction's interval must be, learnt from trips that the model had not seen.

Split conformal prediction by groups (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005): trips
are grouped by their predicted minutes, and a group's interval spans the residuals that its held-out trips showed.
"""

from dataclasses import dataclass

import numpy as np

Minutes = np.ndarray[tuple[int], np.dtype[np.float64]]

# A group of few trips would have to promise the widest residual that it saw.
GROUPS, GROUP_TRIPS = 20, 200


@dataclass(frozen=True)
class Coverage:
    """How many trips an interval promised to hold, how many it held (shares), and its mean width in minutes."""

    promised: float
    measured: float
    mean_width: float


@dataclass(frozen=True)
class Spread:
    """The residuals (actual minus predicted minutes) between which the promised share lies, by predicted minutes."""

    minutes: Minutes
    below: Minutes
    above: Minutes

    def around(self, predicted: Minutes) -> tuple[Minutes, Minutes]:
        """The lower and upper ends of the intervals, one a prediction; between two groups they are interpolated."""
        low = predicted + np.interp(predicted, self.minutes, self.below)
        high = predicted + np.interp(predicted, self.minutes, self.above)
        return low, high


def learn_spread(actual: Minutes, predicted: Minutes, coverage: float) -> Spread:
    """The spread of held-out trips, such that a share `coverage` of them lies inside.

    A group of n trips gives its ceil((n + 1) q) / n quantile, which holds for the next trip and not only for these.
    """
    order = np.argsort(predicted, kind="stable")
    groups = np.array_split(order, max(1, min(GROUPS, len(order) // GROUP_TRIPS)))
    residuals = actual - predicted
    edge = (1 - coverage) / 2
    return Spread(
        minutes=np.array([predicted[group].mean() for group in groups]),
        below=np.array([-_quantile(-residuals[group], 1 - edge) for group in groups]),
        above=np.array([_quantile(residuals[group], 1 - edge) for group in groups]),
    )


def measure_coverage(actual: Minutes, low: Minutes, high: Minutes, promised: float) -> Coverage:
    """How many trips the intervals hold."""
    inside = (actual >= low) & (actual <= high)
    return Coverage(promised, float(inside.mean()), float((high - low).mean()))


def _quantile(values: Minutes, share: float) -> float:
    level = min(1.0, np.ceil((len(values) + 1) * share) / len(values))
    return float(np.quantile(values, level, method="higher"))
