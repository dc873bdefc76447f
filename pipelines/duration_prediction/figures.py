"""What each of the report's figures is drawn of."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.evaluation import Evaluation
from pipelines.duration_prediction.geography import Geography
from pipelines.duration_prediction.history import JudgedMonth
from pipelines.duration_prediction.metrics import Minutes
from pipelines.duration_prediction.plots import (
    ZoneError,
    plot_calibration,
    plot_error_by_hour,
    plot_error_map,
    plot_residuals,
    plot_trend,
)

TREND_MONTHS = 36
# A zone with fewer trips would be coloured by chance.
FEWEST_TRIPS = 20
TREND_LINES = {"this model": "rmse", "best baseline": "baseline_rmse", "champion before": "champion_rmse"}


def draw_figures(
    trips: Trips, predicted: Minutes, evaluation: Evaluation, geography: Geography, months: Sequence[JudgedMonth]
) -> dict[str, bytes]:
    """The figures as PNG by name; `months` is the history with the judged month last, a trend from two on."""
    hours = {each.name: each.metrics for each in evaluation.by_hour}
    trend = {"trend": draw_trend(months[-TREND_MONTHS:])} if len(months) > 1 else {}
    return {
        **trend,
        "residuals": plot_residuals(trips.minutes, predicted),
        "calibration": plot_calibration(trips.minutes, predicted),
        "error-by-hour": plot_error_by_hour(
            {hour: metrics.mae for hour, metrics in hours.items()},
            {hour: metrics.rmse for hour, metrics in hours.items()},
        ),
        "error-map": plot_error_map(
            {
                "By zone of pick-up": zone_errors(trips, predicted, geography, "PULocationID"),
                "By zone of drop-off": zone_errors(trips, predicted, geography, "DOLocationID"),
            }
        ),
    }


def draw_trend(months: Sequence[JudgedMonth]) -> bytes:
    """RMSE by validation month, of the model and of what it was compared with."""
    lines = {name: [month.get(metric) for month in months] for name, metric in TREND_LINES.items()}
    known = {name: values for name, values in lines.items() if any(value is not None for value in values)}
    return plot_trend([month.month for month in months], known)


def zone_errors(trips: Trips, predicted: Minutes, geography: Geography, column: str) -> list[ZoneError]:
    """Mean absolute error in minutes of the trips of each zone that has a place; few trips count as none."""
    errors = pd.Series(np.abs(predicted - trips.minutes.to_numpy())).groupby(trips.frame[column].to_numpy())
    mean, size = errors.mean(), errors.size()
    counted = size[size >= FEWEST_TRIPS]
    return [
        ZoneError(
            float(geography.x[zone]), float(geography.y[zone]), int(counted.get(zone, 0)), float(mean.get(zone, 0.0))
        )
        for zone in np.flatnonzero(np.isfinite(geography.x)).tolist()
    ]
