"""The model of trip durations: raw TLC rows in, minutes and their intervals out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipelines.duration_prediction.features import Design, Matrix, Table
from pipelines.duration_prediction.intervals import Spread
from pipelines.duration_prediction.metrics import Minutes
from pipelines.duration_prediction.scales import to_minutes, within_limits
from pipelines.duration_prediction.start import Start, basis

# What skops may build when the model is loaded, beyond its own list: reviewed, ours or scikit-learn's.
TRUSTED_TYPES = [
    "pipelines.duration_prediction.encoding.KeyMeans",
    "pipelines.duration_prediction.encoding.ZoneMeans",
    "pipelines.duration_prediction.features.Design",
    "pipelines.duration_prediction.geography.Geography",
    "pipelines.duration_prediction.intervals.Spread",
    "pipelines.duration_prediction.model.DurationModel",
    "pipelines.duration_prediction.model.Member",
    "pipelines.duration_prediction.start.Start",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]
# Rows that are predicted at a time, so that a month of millions needs no more memory than one of thousands.
BATCH = 20_000


@dataclass(frozen=True)
class Member:
    """A gradient boosting of what is left of its smooth start, and the scale on which both predict."""

    boosting: HistGradientBoostingRegressor
    start: Start
    scale: str

    def predict(self, table: Table, terms: Matrix) -> Minutes:
        """The minutes of each trip; `terms` are those that the start guesses by."""
        return to_minutes(self.start.of(terms) + self.boosting.predict(table.matrix), self.scale)


@dataclass(frozen=True)
class Prediction:
    """What a model says of some trips, one value a trip: minutes, and the ends of the interval that holds a share."""

    minutes: Minutes
    low: Minutes
    high: Minutes
    coverage: float


class DurationModel(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A blend of gradient boostings that takes the TLC's rows as they are, of either colour.

    `train_model` makes it, fitted: there is no `fit`.
    """

    def __init__(self, design: Design, members: Sequence[Member], spread: Spread, coverage: float) -> None:
        self.design = design
        self.members = members
        self.spread = spread
        self.coverage = coverage

    def predict(self, rows: pd.DataFrame) -> Minutes:
        """The minutes of raw rows, one a row, in order; each within the limits of the trips that were learnt from.

        Raises ContractError if a column is absent without which no trip can be judged.
        """
        batches = [rows.iloc[at : at + BATCH] for at in range(0, max(len(rows), 1), BATCH)]
        return np.concatenate([blend(self.members, self.design.table(batch)) for batch in batches])

    def predict_interval(self, rows: pd.DataFrame) -> tuple[Minutes, Minutes]:
        """The lower and the upper ends, in minutes, of intervals that hold the share `coverage` of the trips."""
        prediction = predict_trips(self, rows)
        return prediction.low, prediction.high


def predict_trips(model: DurationModel, rows: pd.DataFrame) -> Prediction:
    """Minutes and intervals of raw rows in one go."""
    minutes = model.predict(rows)
    low, high = model.spread.around(minutes)
    return Prediction(minutes, within_limits(low), within_limits(high), model.coverage)


def blend(members: Sequence[Member], table: Table) -> Minutes:
    """The mean of what the members predict, in minutes.

    On one thread: on a busy machine several wait for each other, and one predicts more than 80,000 trips a second.
    """
    if len(table.inputs) == 0:
        return np.empty(0)
    terms = basis(table.inputs, table.straight)
    with threadpool_limits(1, user_api="openmp"):
        return within_limits(np.mean([member.predict(table, terms) for member in members], axis=0))
