"""What the TLC publishes: the trips of one calendar month in one file."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from pipelines.errors import MonthError

# Generated files say so in their own metadata, so that no report can mistake them for the TLC's.
GENERATED_MARK = {b"data_source": b"generated"}

DECEMBER = 12


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month of trips, as the TLC publishes them; written 2021-01, ordered by time."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "2021-01"; raises MonthError for anything else."""
        found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", text.strip(), flags=re.ASCII)
        if found is None:
            raise MonthError(f"{text.strip()!r} is not a month: write it as year and month, such as 2021-01.")
        return cls(int(found[1]), int(found[2]))

    def next(self) -> "Month":
        return Month(self.year + 1, 1) if self.month == DECEMBER else Month(self.year, self.month + 1)

    def previous(self) -> "Month":
        return Month(self.year - 1, DECEMBER) if self.month == 1 else Month(self.year, self.month - 1)

    @property
    def file_name(self) -> str:
        """The TLC's own name of the month's green-taxi file."""
        return Colour.GREEN.file_name(self)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


class Colour(StrEnum):
    """Which taxis a file is about; the TLC names the columns of times after their makers of meters."""

    GREEN = "green"
    YELLOW = "yellow"

    @property
    def pickup(self) -> str:
        """The column with the time at which a trip began."""
        return f"{self._meter}_pickup_datetime"

    @property
    def dropoff(self) -> str:
        """The column with the time at which a trip ended."""
        return f"{self._meter}_dropoff_datetime"

    def file_name(self, month: Month) -> str:
        """The TLC's own name of a month's file."""
        return f"{self}_tripdata_{month}.parquet"

    @property
    def _meter(self) -> str:
        return "lpep" if self is Colour.GREEN else "tpep"
