"""How far predictions are off, in minutes."""

from dataclasses import dataclass

import numpy as np

Minutes = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Metrics:
    """Errors in minutes: root mean square, mean absolute, median absolute, the ninetieth centile, and the bias.

    `bias` is the mean of predicted minus actual; `r2` is the share of variance explained.
    """

    rmse: float
    mae: float
    r2: float
    p50: float
    p90: float
    bias: float


@dataclass(frozen=True)
class Score:
    """A named model's metrics on the validation month."""

    name: str
    metrics: Metrics


def evaluate(actual: Minutes, predicted: Minutes) -> Metrics:
    """Compare predicted with actual minutes; both have one value a trip, in the same order.

    R2 is 1 - (sum of squared errors) / (sum of squared deviations from the mean), and 0 if all trips are equally long.
    """
    errors = predicted - actual
    absolute = np.abs(errors)
    spread = float(np.sum((actual - actual.mean()) ** 2))
    p50, p90 = np.quantile(absolute, [0.5, 0.9])
    return Metrics(
        rmse=float(np.sqrt(np.mean(errors**2))),
        mae=float(absolute.mean()),
        r2=1 - float(np.sum(errors**2)) / spread if spread else 0.0,
        p50=float(p50),
        p90=float(p90),
        bias=float(errors.mean()),
    )
