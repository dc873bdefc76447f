"""The contract with the TLC's files: which columns the job reads, as what, and the checks that a month must pass.

The contract is a schema of pyarrow's: it is checked and cast before a row reaches pandas, on the columns read only;
pandera would check the same on a copy that is already in memory.
"""

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import ContractError, WrongMonthError
from pipelines.tlc import Colour, Month

PICKUP = Colour.GREEN.pickup
DROPOFF = Colour.GREEN.dropoff


@dataclass(frozen=True)
class Column:
    """A column that the job reads, whatever the type in which a month happens to store it."""

    name: str
    type: pa.DataType
    required: bool = True
    known_at_pickup: bool = True


# The TLC changed the stored types over the years (ids int64, then int32; counts double, then int64): these are ours.
def contract_of(colour: Colour) -> tuple[Column, ...]:
    """The columns of a colour's files; the colours differ in the names of the times only."""
    return (
        Column(colour.pickup, pa.timestamp("us")),
        Column(colour.dropoff, pa.timestamp("us"), known_at_pickup=False),
        Column("PULocationID", pa.int32()),
        Column("DOLocationID", pa.int32()),
        Column("trip_distance", pa.float64()),
        Column("VendorID", pa.float64(), required=False),
        Column("passenger_count", pa.float64(), required=False),
    )


CONTRACT = contract_of(Colour.GREEN)
COLUMNS = tuple(column.name for column in CONTRACT)
REQUIRED = tuple(column.name for column in CONTRACT if column.required)
MODEL_COLUMNS = tuple(column.name for column in CONTRACT if column.known_at_pickup)
MODEL_REQUIRED = tuple(column.name for column in CONTRACT if column.known_at_pickup and column.required)

# A month holds a handful of stray rows; a renamed file holds hardly anything else.
MIN_SHARE_IN_MONTH = 0.5


def check_columns(schema: pa.Schema, file: str, colour: Colour = Colour.GREEN) -> None:
    """Raise ContractError unless the file has every column that the job reads."""
    absent = [column.name for column in contract_of(colour) if column.name not in schema.names]
    if absent:
        raise ContractError(
            f"{file} lacks the column {', '.join(absent)}: it is no month of {colour}-taxi trips as the TLC has them."
        )


def conform(table: pa.Table, file: str, colour: Colour = Colour.GREEN) -> pa.Table:
    """The contract's columns in the contract's types, whichever generation of files they come from.

    Raises ContractError if a value does not fit.
    """
    return pa.table({column.name: _cast(table[column.name], column, file) for column in contract_of(colour)})


def _cast(values: pa.ChunkedArray, column: Column, file: str) -> pa.ChunkedArray:
    if pa.types.is_timestamp(values.type) and values.type.tz is not None:
        raise ContractError(
            f"{file}: {column.name} carries the time zone {values.type.tz}, but the TLC's times are New York local "
            "time without a zone: take the TLC's own file."
        )
    try:
        return pc.cast(values, options=pc.CastOptions(column.type, allow_time_truncate=True))
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ContractError(
            f"{file}: {column.name} is stored as {values.type} and cannot be read as {column.type} ({reason})."
        ) from error


def check_month(pickup: pd.Series, month: Month, file: str) -> None:
    """Raise WrongMonthError if most pick-ups lie outside the month that the file's name promises."""
    periods = pickup.dropna().dt.to_period("M").value_counts()
    inside = int(periods.get(pd.Period(str(month), "M"), 0))
    if len(periods) and inside < MIN_SHARE_IN_MONTH * int(periods.sum()):
        raise WrongMonthError(
            f"{file} should hold the trips of {month}, but only {inside:,} of {len(pickup):,} rows are of that month "
            f"and most are of {periods.idxmax()}: was the file renamed?"
        )
