"""Trips by hand: what a test needs to say, and nothing else."""

from __future__ import annotations

import pandas as pd

from pipelines.duration_prediction.data import MonthCounts, Trips
from pipelines.tlc import Colour, Month

NOON = "2021-01-15 12:00"


def make_trips(*trips: tuple[str, int, int, float, float], colour: Colour = Colour.GREEN) -> Trips:
    """Trips of January 2021 from (pick-up, from, to, miles, minutes)."""
    frame = pd.DataFrame(trips, columns=[colour.pickup, "PULocationID", "DOLocationID", "trip_distance", "minutes"])
    frame[colour.pickup] = pd.to_datetime(frame[colour.pickup])
    frame[colour.dropoff] = frame[colour.pickup] + pd.to_timedelta(frame.pop("minutes"), unit="min")
    frame = frame.assign(VendorID=2.0, passenger_count=1.0)
    counts = MonthCounts(Month(2021, 1), len(frame), missing=0, stray=0, too_short=0, too_long=0)
    return Trips(frame, (counts,), generated=True, colour=colour)
