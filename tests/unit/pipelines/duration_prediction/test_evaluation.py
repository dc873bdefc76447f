"""Metrics by hand, and the baselines."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.duration_prediction.data import Trips, load_month
from pipelines.duration_prediction.evaluation import (
    evaluate,
    linear_by_pair,
    mean_absolute_error_by_hour,
    median_by_pair,
    score_baselines,
)
from pipelines.duration_prediction.validation import DROPOFF, PICKUP
from pipelines.tlc import Month


def _trips(*trips: tuple[str, int, int, float, float]) -> Trips:
    """Trips from (pick-up, from, to, miles, minutes)."""
    frame = pd.DataFrame(trips, columns=[PICKUP, "PULocationID", "DOLocationID", "trip_distance", "minutes"])
    frame[PICKUP] = pd.to_datetime(frame[PICKUP])
    frame[DROPOFF] = frame[PICKUP] + pd.to_timedelta(frame.pop("minutes"), unit="min")
    return Trips(frame, (), generated=True)


NOON = "2021-01-15 12:00"
LEARNT = _trips((NOON, 1, 2, 1.0, 10.0), (NOON, 1, 2, 1.0, 20.0), (NOON, 1, 2, 1.0, 60.0), (NOON, 3, 4, 2.0, 30.0))


def test_metrics_by_hand() -> None:
    metrics = evaluate(pd.Series([10.0, 20.0, 30.0]), np.array([13.0, 16.0, 30.0]))
    assert metrics.as_dict() == pytest.approx({"rmse": (25 / 3) ** 0.5, "mae": 7 / 3, "r2": 1 - 25 / 200})


def test_trips_of_one_length_leave_nothing_to_explain() -> None:
    assert evaluate(pd.Series([5.0, 5.0]), np.array([4.0, 6.0])).r2 == 0


def test_a_pair_is_predicted_by_its_median_and_a_new_pair_by_that_of_all() -> None:
    asked = _trips((NOON, 1, 2, 1.0, 1.0), (NOON, 3, 4, 1.0, 1.0), (NOON, 9, 9, 1.0, 1.0))
    assert median_by_pair(LEARNT, asked).tolist() == [20, 30, 25]


def test_the_linear_baseline_learns_pairs_and_distance() -> None:
    line = _trips(*[(NOON, zone, 2, miles, 5 * zone + 2 * miles) for zone in (1, 2) for miles in (1.0, 3.0, 7.0)])
    asked = _trips((NOON, 1, 2, 5.0, 1.0), (NOON, 2, 2, 2.0, 1.0))
    assert linear_by_pair(line, asked).tolist() == pytest.approx([15, 14])


def test_baselines_are_scored_by_name() -> None:
    scores = score_baselines(LEARNT, LEARNT)
    assert [score.name for score in scores] == ["Median by pair of zones", "Linear model on pair and distance"]
    assert scores[1].metrics.rmse <= scores[0].metrics.rmse


def test_the_linear_baseline_is_the_published_one_on_real_months(tlc_folder: Path) -> None:
    """7.759 is the course's figure for linear regression on pair and distance, 2021-01 -> 2021-02."""
    january, february = (load_month(tlc_folder / m.file_name, m) for m in (Month(2021, 1), Month(2021, 2)))
    assert evaluate(february.minutes, linear_by_pair(january, february)).rmse == pytest.approx(7.759, abs=0.002)


def test_errors_are_averaged_by_the_hour_of_pickup() -> None:
    trips = _trips((NOON, 1, 2, 1.0, 10.0), ("2021-01-16 12:59", 1, 2, 1.0, 20.0), ("2021-01-16 23:00", 1, 2, 1.0, 5.0))
    errors = mean_absolute_error_by_hour(trips, np.array([12.0, 16.0, 5.0]))
    assert list(errors.index) == list(range(24))
    assert errors[12] == 3
    assert errors[23] == 0
    assert errors.isna().sum() == 22
