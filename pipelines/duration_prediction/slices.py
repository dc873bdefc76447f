"""The same errors, for the trips of an hour, of a distance, of a borough."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.metrics import Metrics, Minutes, evaluate

BAND_EDGES = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, np.inf)
NO_BOROUGH = "unknown"
Names = np.ndarray[tuple[int], np.dtype[np.str_]]


@dataclass(frozen=True)
class Slice:
    """Some of the trips under a name, how many they are, and how well they were predicted."""

    name: str
    trips: int
    metrics: Metrics


def slice_by_hour(trips: Trips, predicted: Minutes) -> tuple[Slice, ...]:
    """By the hour of pick-up, "00" to "23"; hours without trips are left out."""
    return _slices(trips.pickup.dt.strftime("%H").to_numpy(dtype="str"), trips, predicted)


def slice_by_distance(trips: Trips, predicted: Minutes) -> tuple[Slice, ...]:
    """By bands of the trip's distance in miles; trips whose meter gave none are a band of their own."""
    miles = trips.frame["trip_distance"].to_numpy(dtype="float64")
    labels = ["no distance", *(_band(low, high) for low, high in pairwise(BAND_EDGES))]
    bands = np.where(miles > 0, np.searchsorted(BAND_EDGES, miles, side="left"), 0)
    return _slices(np.array(labels)[bands], trips, predicted, order=labels.index)


def slice_by_borough(trips: Trips, predicted: Minutes, boroughs: Mapping[int, str]) -> tuple[Slice, ...]:
    """By the borough of pick-up; nothing where no zone's borough is known."""
    if not boroughs:
        return ()
    names = trips.frame["PULocationID"].map(boroughs).fillna(NO_BOROUGH).to_numpy(dtype="str")
    return _slices(names, trips, predicted)


def _slices(names: Names, trips: Trips, predicted: Minutes, order: Callable[[str], Any] = str) -> tuple[Slice, ...]:
    minutes = trips.minutes.to_numpy(dtype="float64")
    found = sorted({str(name) for name in np.unique(names)}, key=order)
    masks = {name: names == name for name in found}
    return tuple(Slice(name, int(mask.sum()), evaluate(minutes[mask], predicted[mask])) for name, mask in masks.items())


def _band(low: float, high: float) -> str:
    return f"over {low:g} miles" if np.isinf(high) else f"{low:g} to {high:g} miles"
