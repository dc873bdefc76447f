"""How good a model is, in minutes, and against what it has to hold its own."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.features import trip_features
from pipelines.duration_prediction.training import Minutes
from pipelines.duration_prediction.validation import PICKUP

PAIR = ["PULocationID", "DOLocationID"]
HOURS = range(24)


@dataclass(frozen=True)
class Metrics:
    """Root mean squared error and mean absolute error in minutes, and the share of variance explained."""

    rmse: float
    mae: float
    r2: float

    def as_dict(self) -> dict[str, float]:
        return {"rmse": self.rmse, "mae": self.mae, "r2": self.r2}


@dataclass(frozen=True)
class Score:
    """A named model's metrics on the validation month."""

    name: str
    metrics: Metrics


def evaluate(actual: pd.Series, predicted: Minutes) -> Metrics:
    """Compare predicted with actual minutes; both have one value a trip, in the same order.

    R2 is 1 - (sum of squared errors) / (sum of squared deviations from the mean), and 0 if all trips are equally long.
    """
    truth = actual.to_numpy(dtype="float64")
    errors = predicted - truth
    spread = float(np.sum((truth - truth.mean()) ** 2))
    return Metrics(
        rmse=float(np.sqrt(np.mean(errors**2))),
        mae=float(np.mean(np.abs(errors))),
        r2=1 - float(np.sum(errors**2)) / spread if spread else 0.0,
    )


def score_baselines(train: Trips, validate: Trips) -> tuple[Score, ...]:
    """What the model has to beat: the pair's median duration, and the tutorial's features in a linear model."""
    baselines = {"Median by pair of zones": median_by_pair, "Linear model on pair and distance": linear_by_pair}
    return tuple(
        Score(name, evaluate(validate.minutes, predict(train, validate))) for name, predict in baselines.items()
    )


def median_by_pair(train: Trips, validate: Trips) -> Minutes:
    """For each trip the median minutes of its pair of zones in training, or of all trips where the pair is new."""
    minutes = train.minutes
    medians = minutes.groupby([train.frame[name] for name in PAIR]).median()
    known = medians.reindex(pd.MultiIndex.from_frame(validate.frame[PAIR]))
    return known.fillna(minutes.median()).to_numpy(dtype="float64")


def linear_by_pair(train: Trips, validate: Trips) -> Minutes:
    """Least squares on one column a pair of zones and the distance as the taximeter gave it, as in the tutorial."""
    columns = ColumnTransformer(
        [("pair", OneHotEncoder(handle_unknown="ignore"), ["pair"]), ("miles", "passthrough", ["trip_distance"])]
    )
    model = make_pipeline(columns, LinearRegression()).fit(_with_pair(train.frame), train.minutes)
    return np.asarray(model.predict(_with_pair(validate.frame)), dtype="float64")


def _with_pair(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(pair=trip_features(frame)["pair"])


def mean_absolute_error_by_hour(validate: Trips, predicted: Minutes) -> pd.Series:
    """Mean absolute error in minutes by the hour of pick-up, 0 to 23; NaN for an hour without trips."""
    errors = (validate.minutes - predicted).abs()
    return errors.groupby(validate.frame[PICKUP].dt.hour).mean().reindex(HOURS)
