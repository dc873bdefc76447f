"""What a model may know of a trip: everything known at pick-up, plus the trip's distance as in the tutorial.

The model takes the TLC's rows as they are: of any colour, any generation of types, any further columns, with or without
the drop-off time.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import pandas as pd

from pipelines.duration_prediction.data import MAX_CREDIBLE_MILES
from pipelines.duration_prediction.geography import PLACES
from pipelines.errors import ContractError
from pipelines.tlc import Colour

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Ints = np.ndarray[tuple[int], np.dtype[np.int64]]

PICKUPS = tuple(colour.pickup for colour in Colour)
NEEDED = ("PULocationID", "DOLocationID")
DISTANCE = "trip_distance"
# 1970-01-01 was a Thursday, the day with number 3 where Monday is 0.
FIRST_WEEKDAY = 3
DAYS = 7


@dataclass(frozen=True)
class TripInputs:
    """The columns that a model reads, as plain arrays: one value a trip, in the rows' order.

    Zones are ids from 0 (unknown) to 265; `miles` is NaN where the meter gave none or an impossible figure; `hour`
    runs from 0 to 24, `weekday` from 0 (Monday) to 6, both NaN without a pick-up time.
    """

    pickup_zone: Ints
    dropoff_zone: Ints
    day: np.ndarray[tuple[int], np.dtype[np.datetime64]]
    hour: Floats
    weekday: Floats
    miles: Floats
    vendor: Floats
    passengers: Floats

    def __len__(self) -> int:
        return len(self.hour)

    def part(self, start: int, end: int) -> Self:
        """The trips from one position to before another."""
        return type(self)(*(getattr(self, field.name)[start:end] for field in fields(self)))


def read_inputs(rows: pd.DataFrame, use_distance: bool = True) -> TripInputs:
    """The inputs of some raw rows. Raises ContractError if a column without which no trip can be judged is absent."""
    pickup = next((name for name in PICKUPS if name in rows.columns), None)
    wanted = (*NEEDED, *([DISTANCE] if use_distance else []))
    absent = [*([] if pickup else [" or ".join(PICKUPS)]), *(name for name in wanted if name not in rows.columns)]
    if pickup is None or absent:
        raise ContractError(
            f"The trips lack the column {', '.join(absent)}, without which no duration can be predicted."
        )
    times = pd.to_datetime(rows[pickup]).to_numpy().astype("datetime64[s]")
    day = times.astype("datetime64[D]")
    seconds = np.where(np.isnat(times), np.nan, (times - day).astype("float64"))
    weekday = np.where(np.isnat(day), np.nan, (day.astype("int64") + FIRST_WEEKDAY) % DAYS)
    miles = _numbers(rows, DISTANCE) if use_distance else np.full(len(rows), np.nan)
    return TripInputs(
        pickup_zone=_zones(_numbers(rows, "PULocationID")),
        dropoff_zone=_zones(_numbers(rows, "DOLocationID")),
        day=day,
        hour=seconds / 3_600,
        weekday=weekday,
        miles=np.where((miles > 0) & (miles <= MAX_CREDIBLE_MILES), miles, np.nan),
        vendor=_numbers(rows, "VendorID"),
        passengers=_numbers(rows, "passenger_count"),
    )


def _zones(ids: Floats) -> Ints:
    """Zone ids that index a table by zone; 0 stands for what is no zone."""
    return np.where((ids > 0) & (ids < PLACES), ids, 0).astype("int64")


def _numbers(rows: pd.DataFrame, name: str) -> Floats:
    """A column as float64, whether stored as int32, int64, double, nullable or object; NaN where it is absent."""
    if name not in rows.columns:
        return np.full(len(rows), np.nan)
    return pd.to_numeric(rows[name], errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
