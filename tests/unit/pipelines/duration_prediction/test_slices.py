"""The bands of distance, edge by edge."""

import numpy as np
import pytest

from pipelines.duration_prediction.slices import slice_by_distance
from tests.support.trips import NOON, make_trips


@pytest.mark.parametrize(
    ("miles", "band"),
    [
        (-1.0, "no distance"),
        (0.0, "no distance"),
        (float("nan"), "no distance"),
        (0.01, "0 to 1 miles"),
        (1.0, "0 to 1 miles"),
        (1.01, "1 to 2 miles"),
        (10.0, "5 to 10 miles"),
        (90_000.0, "over 10 miles"),
    ],
)
def test_a_band_holds_its_upper_edge(miles: float, band: str) -> None:
    (found,) = slice_by_distance(make_trips((NOON, 1, 2, miles, 10.0)), np.array([10.0]))
    assert (found.name, found.trips) == (band, 1)


def test_bands_are_in_the_order_of_distance() -> None:
    trips = make_trips(*[(NOON, 1, 2, miles, 10.0) for miles in (20.0, 1.5, 6.0, 0.0, 0.5)])
    names = [each.name for each in slice_by_distance(trips, np.full(5, 10.0))]
    assert names == ["no distance", "0 to 1 miles", "1 to 2 miles", "5 to 10 miles", "over 10 miles"]
