"""Everything that is said of a model on the month that it is judged on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.intervals import Coverage, measure_coverage
from pipelines.duration_prediction.metrics import Metrics, Minutes, evaluate
from pipelines.duration_prediction.model import Prediction
from pipelines.duration_prediction.slices import Slice, slice_by_borough, slice_by_distance, slice_by_hour

WORST = 10


@dataclass(frozen=True)
class WorstTrip:
    """A trip that the model got most wrong; zones by id, times in New York's local time, minutes and miles."""

    pickup: pd.Timestamp
    pickup_zone: int
    dropoff_zone: int
    miles: float
    actual: float
    predicted: float

    @property
    def error(self) -> float:
        """Predicted minus actual minutes."""
        return self.predicted - self.actual


@dataclass(frozen=True)
class Evaluation:
    """A model's errors on a month: in all, by slices, how well its intervals hold, and the trips it got most wrong."""

    metrics: Metrics
    by_hour: tuple[Slice, ...]
    by_distance: tuple[Slice, ...]
    by_borough: tuple[Slice, ...]
    coverage: Coverage
    worst: tuple[WorstTrip, ...]


def evaluate_model(validate: Trips, prediction: Prediction, boroughs: Mapping[int, str]) -> Evaluation:
    """Judge what a model said of a month; `boroughs` by zone id, empty where they are not known."""
    actual = validate.minutes.to_numpy(dtype="float64")
    return Evaluation(
        metrics=evaluate(actual, prediction.minutes),
        by_hour=slice_by_hour(validate, prediction.minutes),
        by_distance=slice_by_distance(validate, prediction.minutes),
        by_borough=slice_by_borough(validate, prediction.minutes, boroughs),
        coverage=measure_coverage(actual, prediction.low, prediction.high, prediction.coverage),
        worst=find_worst(validate, prediction.minutes),
    )


def find_worst(validate: Trips, predicted: Minutes) -> tuple[WorstTrip, ...]:
    """The trips whose predictions are off by most, worst first; of equals the earlier."""
    actual = validate.minutes.to_numpy(dtype="float64")
    order = np.argsort(-np.abs(predicted - actual), kind="stable")[:WORST]
    frame, pickup = validate.frame, validate.pickup
    return tuple(
        WorstTrip(
            pickup=pickup.iloc[at],
            pickup_zone=int(frame["PULocationID"].iloc[at]),
            dropoff_zone=int(frame["DOLocationID"].iloc[at]),
            miles=float(frame["trip_distance"].iloc[at]),
            actual=float(actual[at]),
            predicted=float(predicted[at]),
        )
        for at in order.tolist()
    )
