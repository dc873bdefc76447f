"""Fit the model of trip durations."""

import io
import re
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipelines.duration_prediction.config import MAX_MINUTES, MIN_MINUTES, TrainingConfig
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.features import feature_steps
from pipelines.errors import NoValidTripsError
from pipelines.progress import Bar, on_terminal, progress_bar

# scikit-learn's verbosity at which it tells of each tree.
EVERY_TREE = 2

Minutes = np.ndarray[tuple[int], np.dtype[np.float64]]


def fit_model(trips: Trips, config: TrainingConfig) -> Pipeline:
    """A fitted pipeline whose `predict` takes raw TLC rows and gives minutes, one a row, in order.

    The same trips and settings give the same model. Raises NoValidTripsError if there are fewer trips than folds.
    """
    if len(trips) < config.folds:
        raise NoValidTripsError(
            f"{len(trips)} valid trips are too few to learn from in {config.folds} folds: add a training month."
        )
    # Measured on 80,000 to 780,000 trips and two cores: a second thread gains nothing, and on a busy machine the two
    # wait for each other up to eight times as long.
    with threadpool_limits(1, user_api="openmp"):
        return _fit(build_model(config), trips, config.max_iter)


def build_model(config: TrainingConfig) -> Pipeline:
    """The unfitted pipeline: features, encoded zones, and histogram gradient boosting."""
    boosting = HistGradientBoostingRegressor(
        learning_rate=config.learning_rate,
        max_iter=config.max_iter,
        max_leaf_nodes=config.max_leaf_nodes,
        min_samples_leaf=config.min_samples_leaf,
        l2_regularization=config.l2_regularization,
        early_stopping=False,
        random_state=config.seed,
    )
    regressor = TransformedTargetRegressor(boosting, func=as_measured, inverse_func=within_limits, check_inverse=False)
    return Pipeline([*feature_steps(config.folds, config.seed), ("minutes", regressor)])


def _fit(model: Pipeline, trips: Trips, trees: int) -> Pipeline:
    """The model, fitted; whoever watches on a terminal sees the trees grow."""
    if not on_terminal():
        return model.fit(trips.frame, trips.minutes)
    boosting = "minutes__regressor__verbose"
    model.set_params(**{boosting: EVERY_TREE})
    with progress_bar("Fitting", trees) as bar, redirect_stdout(TreeCounter(bar)):
        model.fit(trips.frame, trips.minutes)
    model.set_params(**{boosting: 0})
    model["minutes"].regressor_.set_params(verbose=0)
    return model


class TreeCounter(io.TextIOBase):
    """Takes what scikit-learn prints of a fit, "[12/300] 1 tree, ...", and moves a bar instead."""

    def __init__(self, bar: Bar) -> None:
        super().__init__()
        self._bar = bar

    def write(self, text: str) -> int:
        found = re.match(r"\[(\d+)/\d+\]", text)
        if found:
            self._bar.reach(int(found[1]))
        return len(text)


def predict_minutes(model: Pipeline, rows: pd.DataFrame) -> Minutes:
    """The predicted minutes of raw TLC rows, one a row, in order."""
    return np.asarray(model.predict(rows), dtype="float64")


def as_measured(minutes: Minutes) -> Minutes:
    """The target as it is: the model learns minutes, not a transform of them."""
    return minutes


def within_limits(minutes: Minutes) -> Minutes:
    """Predictions held to the range of the trips that the model learnt from, so that none is negative."""
    return np.clip(minutes, MIN_MINUTES, MAX_MINUTES)
