"""The features of trips as the columns of one matrix: the trip, its time, the way between its zones, their means."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.duration_prediction.encoding import ZoneMeans
from pipelines.duration_prediction.geography import ASSET, Geography
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


@dataclass(frozen=True)
class Table:
    """Trips as numbers: the matrix that trees split on, and what the smooth start needs."""

    matrix: Matrix
    inputs: TripInputs
    straight: Minutes


@dataclass(frozen=True)
class Design:
    """How raw rows become the numbers that a model was fitted on; kept with the model.

    `means` is None where the true map of the zones is known: beside it, the zones' mean minutes add noise and no
    knowledge (measured on four pairs of months: 0.3 to 0.6 % worse with them, 0.5 % better beside a learnt map).
    """

    geography: Geography
    means: ZoneMeans | None
    use_distance: bool

    def table(self, rows: pd.DataFrame) -> Table:
        """The rows as numbers, in order. Raises ContractError for rows that lack a column."""
        inputs = read_inputs(rows, self.use_distance)
        means = self.means.of(inputs.pickup_zone, inputs.dropoff_zone) if self.means else {}
        return _table(inputs, self.geography, means, self.use_distance)


def learn_design(
    rows: pd.DataFrame, minutes: Minutes, geography: Geography, use_distance: bool, folds: int
) -> tuple[Design, Table]:
    """The design of training trips in the order of time, and their table, in which no trip's own minutes are.

    The means of a trip are those of the other folds (cross fitting). Every `folds`-th trip is one fold: so each fold
    holds every hour of every day, and the means depend on no chance.
    """
    inputs = read_inputs(rows, use_distance)
    if geography.source == ASSET:
        return Design(geography, None, use_distance), _table(inputs, geography, {}, use_distance)
    zones = (inputs.pickup_zone, inputs.dropoff_zone)
    learnt = ZoneMeans.learn(*zones, minutes)
    means = learnt.without(*zones, minutes, np.arange(len(minutes)) % folds)
    return Design(geography, learnt, use_distance), _table(inputs, geography, means, use_distance)


def describe(trips: TripInputs, geography: Geography) -> dict[str, Minutes]:
    """The features that need no training, by name, in miles and hours.

    `detour` is the trip's distance over the straight line between the centres of its zones.
    """
    start_x, start_y = geography.x[trips.pickup_zone], geography.y[trips.pickup_zone]
    end_x, end_y = geography.x[trips.dropoff_zone], geography.y[trips.dropoff_zone]
    straight = np.hypot(end_x - start_x, end_y - start_y)
    return {
        "miles": trips.miles,
        "straight": straight,
        "detour": trips.miles / (straight + WITHIN_A_ZONE),
        "hour": trips.hour,
        "hour_of_week": trips.weekday * HOURS + trips.hour,
        "holiday": is_holiday(trips.day).astype("float64"),
        "vendor": trips.vendor,
        "passengers": trips.passengers,
        "pickup_x": start_x,
        "pickup_y": start_y,
        "dropoff_x": end_x,
        "dropoff_y": end_y,
        "middle_x": (start_x + end_x) / 2,
        "middle_y": (start_y + end_y) / 2,
        "airport": np.isin(trips.pickup_zone, AIRPORTS) + 2.0 * np.isin(trips.dropoff_zone, AIRPORTS),
    }


def _table(trips: TripInputs, geography: Geography, means: Mapping[str, Minutes], use_distance: bool) -> Table:
    features = {**describe(trips, geography), **means}
    left_out = () if use_distance else TOLD_BY_DISTANCE
    matrix = np.column_stack([values for name, values in features.items() if name not in left_out])
    return Table(matrix, trips, features["straight"])
