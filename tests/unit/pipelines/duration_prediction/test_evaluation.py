"""What is said of a model on a month, by hand."""

import numpy as np
import pandas as pd

from pipelines.duration_prediction.evaluation import evaluate_model, find_worst
from pipelines.duration_prediction.intervals import Coverage
from pipelines.duration_prediction.model import Prediction
from tests.support.trips import NOON, make_trips

TRIPS = make_trips(
    (NOON, 1, 2, 0.5, 10.0), ("2021-01-16 12:59", 3, 2, 0.0, 20.0), ("2021-01-16 23:00", 1, 2, 12.0, 5.0)
)
SAID = np.array([12.0, 16.0, 5.0])
PREDICTION = Prediction(SAID, SAID - 2, SAID + 2, coverage=0.9)


def test_a_month_is_judged_from_every_side() -> None:
    judged = evaluate_model(TRIPS, PREDICTION, {1: "Bronx"})
    assert judged.metrics.mae == 2
    assert [(each.name, each.trips, each.metrics.mae) for each in judged.by_hour] == [("12", 2, 3), ("23", 1, 0)]
    assert [each.name for each in judged.by_distance] == ["no distance", "0 to 1 miles", "over 10 miles"]
    assert [(each.name, each.trips) for each in judged.by_borough] == [("Bronx", 2), ("unknown", 1)]
    assert judged.coverage == Coverage(promised=0.9, measured=2 / 3, mean_width=4)


def test_without_a_map_there_are_no_boroughs() -> None:
    assert evaluate_model(TRIPS, PREDICTION, {}).by_borough == ()


def test_the_worst_trips_come_first() -> None:
    worst = find_worst(TRIPS, SAID)
    assert [trip.error for trip in worst] == [-4, 2, 0]
    first = worst[0]
    assert (first.pickup, first.pickup_zone, first.dropoff_zone) == (pd.Timestamp("2021-01-16 12:59"), 3, 2)
    assert (first.miles, first.actual, first.predicted) == (0, 20, 16)


def test_no_more_than_ten_are_named() -> None:
    many = make_trips(*[(NOON, 1, 2, 1.0, 5.0 + number) for number in range(15)])
    worst = find_worst(many, np.zeros(15))
    assert [trip.actual for trip in worst] == [float(minutes) for minutes in range(19, 9, -1)]
