"""The features of trips as the columns of one matrix: the trip, its time, the way between its zones, their means."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.duration_prediction.encoding import ZoneMeans
from pipelines.duration_prediction.geography import Geography
from pipelines.duration_prediction.holidays import is_holiday
from pipelines.duration_prediction.inputs import TripInputs, read_inputs
from pipelines.duration_prediction.metrics import Minutes

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]

HOURS = 24
# Newark, JFK and LaGuardia, by the TLC's lookup table.
AIRPORTS = (1, 132, 138)
# Added to the straight line in miles, so that a trip within a zone has a detour as well.
WITHIN_A_ZONE = 1 / 3
TOLD_BY_DISTANCE = ("miles", "detour")
PLAIN_FEATURES, MEANS = 19, 3


@dataclass(frozen=True)
class Design:
    """How raw rows become the matrix that a model was fitted on; kept with the model."""

    geography: Geography
    means: ZoneMeans
    use_distance: bool

    @property
    def widths(self) -> tuple[int, int]:
        """How many of the first columns of the matrix stand without the zones' means, and with them."""
        plain = PLAIN_FEATURES - (0 if self.use_distance else len(TOLD_BY_DISTANCE))
        return plain, plain + MEANS

    def matrix(self, rows: pd.DataFrame) -> Matrix:
        """One row of features a trip, in order. Raises ContractError for rows that lack a column."""
        inputs = read_inputs(rows, self.use_distance)
        means = self.means.of(inputs.pickup_zone, inputs.dropoff_zone)
        return _side_by_side({**describe(inputs, self.geography), **means}, self.use_distance)


def learn_design(
    rows: pd.DataFrame, minutes: Minutes, geography: Geography, use_distance: bool, folds: int
) -> tuple[Design, Matrix]:
    """The design of training trips in the order of time, and their matrix, in which no trip's own minutes are.

    The means of a trip are those of the other folds (cross fitting). Every `folds`-th trip is one fold: so each fold
    holds every hour of every day, and the means depend on no chance.
    """
    inputs = read_inputs(rows, use_distance)
    zones = (inputs.pickup_zone, inputs.dropoff_zone)
    design = Design(geography, ZoneMeans.learn(*zones, minutes), use_distance)
    means = design.means.without(*zones, minutes, np.arange(len(minutes)) % folds)
    return design, _side_by_side({**describe(inputs, geography), **means}, use_distance)


def describe(trips: TripInputs, geography: Geography) -> dict[str, Minutes]:
    """The features that need no training, by name, in miles, hours and radians.

    `detour` is the trip's distance over the straight line between the centres of its zones; `bearing` is that line's
    direction.
    """
    start_x, start_y = geography.x[trips.pickup_zone], geography.y[trips.pickup_zone]
    end_x, end_y = geography.x[trips.dropoff_zone], geography.y[trips.dropoff_zone]
    east, north = end_x - start_x, end_y - start_y
    straight = np.hypot(east, north)
    return {
        "miles": trips.miles,
        "detour": trips.miles / (straight + WITHIN_A_ZONE),
        "hour": trips.hour,
        "hour_of_week": trips.weekday * HOURS + trips.hour,
        "hour_sine": np.sin(2 * np.pi * trips.hour / HOURS),
        "holiday": is_holiday(trips.day).astype("float64"),
        "vendor": trips.vendor,
        "passengers": trips.passengers,
        "pickup_x": start_x,
        "pickup_y": start_y,
        "dropoff_x": end_x,
        "dropoff_y": end_y,
        "middle_x": (start_x + end_x) / 2,
        "middle_y": (start_y + end_y) / 2,
        "east": east,
        "north": north,
        "straight": straight,
        "bearing": np.arctan2(north, east),
        "airport": np.isin(trips.pickup_zone, AIRPORTS) + 2.0 * np.isin(trips.dropoff_zone, AIRPORTS),
    }


def _side_by_side(features: dict[str, Minutes], use_distance: bool) -> Matrix:
    left_out = () if use_distance else TOLD_BY_DISTANCE
    return np.column_stack([values for name, values in features.items() if name not in left_out])
