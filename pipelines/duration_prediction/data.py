"""From the TLC's monthly files to the trips that a model can learn from."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.duration_prediction.config import MAX_MINUTES, MIN_MINUTES
from pipelines.duration_prediction.validation import check_columns, check_month, conform, contract_of
from pipelines.errors import (
    MissingMonthError,
    NoValidTripsError,
    UnreadableFileError,
)
from pipelines.tlc import GENERATED_MARK, Colour, Month

# A meter cannot know more: the city is some forty miles across.
MAX_CREDIBLE_MILES = 100.0
# Zone 264 stands for an unknown zone, 265 for one outside the city (the TLC's lookup table).
FIRST_UNKNOWN_ZONE = 264


@dataclass(frozen=True)
class MonthCounts:
    """How many rows of a month each rule took, in the order in which the rules apply, and what is odd in the others.

    A row that breaks several rules counts for the first of them; the odd ones, from `no_distance` on, were kept.
    """

    month: Month
    rows: int
    missing: int
    stray: int
    too_short: int
    too_long: int
    no_distance: int = 0
    absurd_distance: int = 0
    unknown_zone: int = 0
    no_passengers: int = 0

    @property
    def kept(self) -> int:
        return self.rows - self.missing - self.stray - self.too_short - self.too_long


@dataclass(frozen=True)
class Trips:
    """Valid trips by pick-up: the contract's columns, with the counts of what cleaning took away."""

    frame: pd.DataFrame
    counts: tuple[MonthCounts, ...]
    generated: bool
    colour: Colour = Colour.GREEN

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def pickup(self) -> pd.Series:
        """When each trip began, in New York's local time."""
        return self.frame[self.colour.pickup]

    @property
    def minutes(self) -> pd.Series:
        """The target: how long each trip took, in minutes."""
        return trip_minutes(self.frame, self.colour)


def load_trips(files: Mapping[Month, Path], colour: Colour = Colour.GREEN) -> Trips:
    """The valid trips of some months, each read from its file, in the order of time.

    Raises a DataError that names the file and the cause for a month that is missing, unreadable or of no use.
    """
    parts = [load_month(files[month], month, colour) for month in sorted(files)]
    return Trips(
        frame=pd.concat([part.frame for part in parts], ignore_index=True),
        counts=tuple(count for part in parts for count in part.counts),
        generated=any(part.generated for part in parts),
        colour=colour,
    )


def load_month(path: Path, month: Month, colour: Colour = Colour.GREEN) -> Trips:
    """The valid trips of one month's file; raises a DataError that names the file and the cause."""
    table = read_month(path, colour)
    marks = table.schema.metadata or {}
    rows = conform(table, path.name, colour).to_pandas()
    check_month(rows[colour.pickup], month, path.name)
    frame, counts = clean(rows, month, colour)
    if frame.empty:
        raise NoValidTripsError(
            f"{path.name} holds no valid trip of {MIN_MINUTES:g} to {MAX_MINUTES:g} minutes: of {counts.rows:,} rows "
            f"{counts.missing:,} lack a time, zone or distance, {counts.stray:,} are of another month, "
            f"{counts.too_short:,} too short and {counts.too_long:,} too long."
        )
    return Trips(frame, (counts,), generated=GENERATED_MARK.items() <= marks.items(), colour=colour)


def read_month(path: Path, colour: Colour = Colour.GREEN) -> pa.Table:
    """The columns that the job needs of one month's file, as stored.

    Raises MissingMonthError, UnreadableFileError or ContractError.
    """
    if not path.is_file():
        raise MissingMonthError(f"There is no {path.name} in {path.parent}: provide that month or choose another one.")
    if path.stat().st_size == 0:
        raise UnreadableFileError(f"{path.name} is an empty file: upload the month again.")
    try:
        with pq.ParquetFile(path) as file:
            check_columns(file.schema_arrow, path.name, colour)
            table = file.read(columns=[column.name for column in contract_of(colour)])
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UnreadableFileError(
            f"{path.name} is not a readable parquet file, perhaps truncated ({reason}): upload the month again."
        ) from error
    if table.num_rows == 0:
        raise NoValidTripsError(f"{path.name} holds no rows: provide that month or choose another one.")
    return table


def clean(rows: pd.DataFrame, month: Month, colour: Colour = Colour.GREEN) -> tuple[pd.DataFrame, MonthCounts]:
    """Trips of 1 to 60 minutes that began within the month, by pick-up, and how many rows each rule took."""
    start = pd.Timestamp(month.year, month.month, 1)
    minutes, pickup = trip_minutes(rows, colour), rows[colour.pickup]
    required = [column.name for column in contract_of(colour) if column.required]
    whole = rows[required].notna().all(axis="columns")
    inside = whole & pickup.ge(start) & pickup.lt(start + pd.offsets.MonthBegin())
    long_enough = inside & minutes.ge(MIN_MINUTES)
    valid = long_enough & minutes.le(MAX_MINUTES)
    left = [len(rows), *(int(mask.sum()) for mask in (whole, inside, long_enough, valid))]
    removed = [before - after for before, after in pairwise(left)]
    kept = rows[valid].sort_values(colour.pickup, kind="stable", ignore_index=True)
    return kept, MonthCounts(month, len(rows), *removed, **_odd(kept))


def _odd(kept: pd.DataFrame) -> dict[str, int]:
    """How many trips are odd, but of use nevertheless."""
    zones = kept[["PULocationID", "DOLocationID"]]
    odd = {
        "no_distance": kept["trip_distance"].le(0),
        "absurd_distance": kept["trip_distance"].gt(MAX_CREDIBLE_MILES),
        "unknown_zone": zones.ge(FIRST_UNKNOWN_ZONE).any(axis="columns"),
        "no_passengers": ~kept["passenger_count"].gt(0),
    }
    return {name: int(mask.sum()) for name, mask in odd.items()}


def trip_minutes(rows: pd.DataFrame, colour: Colour = Colour.GREEN) -> pd.Series:
    """Drop-off minus pick-up, in minutes; the TLC's local times carry no zone."""
    return (rows[colour.dropoff] - rows[colour.pickup]).dt.total_seconds() / 60
