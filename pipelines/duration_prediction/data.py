"""From the TLC's monthly files to the trips that a model can learn from."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.duration_prediction.config import MAX_MINUTES, MIN_MINUTES
from pipelines.duration_prediction.validation import (
    COLUMNS,
    DROPOFF,
    PICKUP,
    REQUIRED,
    check_columns,
    check_month,
    conform,
)
from pipelines.errors import (
    MissingMonthError,
    NoValidTripsError,
    UnreadableFileError,
)
from pipelines.tlc import GENERATED_MARK, Month


@dataclass(frozen=True)
class MonthCounts:
    """How many rows of a month each cleaning rule took, in the order in which the rules apply."""

    month: Month
    rows: int
    missing: int
    stray: int
    too_short: int
    too_long: int

    @property
    def kept(self) -> int:
        return self.rows - self.missing - self.stray - self.too_short - self.too_long


@dataclass(frozen=True)
class Trips:
    """Valid trips: the contract's columns, one row a trip, with the counts of what cleaning took away."""

    frame: pd.DataFrame
    counts: tuple[MonthCounts, ...]
    generated: bool

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def minutes(self) -> pd.Series:
        """The target: how long each trip took, in minutes."""
        return trip_minutes(self.frame)


def load_trips(files: Mapping[Month, Path]) -> Trips:
    """The valid trips of some months, each read from its file.

    Raises a DataError that names the file and the cause for a month that is missing, unreadable or of no use.
    """
    parts = [load_month(path, month) for month, path in files.items()]
    return Trips(
        frame=pd.concat([part.frame for part in parts], ignore_index=True),
        counts=tuple(count for part in parts for count in part.counts),
        generated=any(part.generated for part in parts),
    )


def load_month(path: Path, month: Month) -> Trips:
    """The valid trips of one month's file; raises a DataError that names the file and the cause."""
    table = read_month(path)
    marks = table.schema.metadata or {}
    rows = conform(table, path.name).to_pandas()
    check_month(rows[PICKUP], month, path.name)
    frame, counts = clean(rows, month)
    if frame.empty:
        raise NoValidTripsError(
            f"{path.name} holds no valid trip of {MIN_MINUTES:g} to {MAX_MINUTES:g} minutes: of {counts.rows:,} rows "
            f"{counts.missing:,} lack a time, zone or distance, {counts.stray:,} are of another month, "
            f"{counts.too_short:,} too short and {counts.too_long:,} too long."
        )
    return Trips(frame, (counts,), generated=GENERATED_MARK.items() <= marks.items())


def read_month(path: Path) -> pa.Table:
    """The columns that the job needs of one month's file, as stored.

    Raises MissingMonthError, UnreadableFileError or ContractError.
    """
    if not path.is_file():
        raise MissingMonthError(f"There is no {path.name} in {path.parent}: provide that month or choose another one.")
    if path.stat().st_size == 0:
        raise UnreadableFileError(f"{path.name} is an empty file: upload the month again.")
    try:
        with pq.ParquetFile(path) as file:
            check_columns(file.schema_arrow, path.name)
            table = file.read(columns=list(COLUMNS))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UnreadableFileError(
            f"{path.name} is not a readable parquet file, perhaps truncated ({reason}): upload the month again."
        ) from error
    if table.num_rows == 0:
        raise NoValidTripsError(f"{path.name} holds no rows: provide that month or choose another one.")
    return table


def clean(rows: pd.DataFrame, month: Month) -> tuple[pd.DataFrame, MonthCounts]:
    """Trips of 1 to 60 minutes that began within the month, and how many rows each rule took.

    A row that breaks several rules counts for the first of them.
    """
    start = pd.Timestamp(month.year, month.month, 1)
    minutes = trip_minutes(rows)
    whole = rows[list(REQUIRED)].notna().all(axis="columns")
    inside = whole & rows[PICKUP].ge(start) & rows[PICKUP].lt(start + pd.offsets.MonthBegin())
    long_enough = inside & minutes.ge(MIN_MINUTES)
    valid = long_enough & minutes.le(MAX_MINUTES)
    left = [len(rows), *(int(mask.sum()) for mask in (whole, inside, long_enough, valid))]
    missing, stray, too_short, too_long = (before - after for before, after in pairwise(left))
    return rows[valid].reset_index(drop=True), MonthCounts(month, len(rows), missing, stray, too_short, too_long)


def trip_minutes(rows: pd.DataFrame) -> pd.Series:
    """Drop-off minus pick-up, in minutes; the TLC's local times carry no zone."""
    return (rows[DROPOFF] - rows[PICKUP]).dt.total_seconds() / 60
