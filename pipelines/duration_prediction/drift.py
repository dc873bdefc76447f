"""How far a month has moved from the months that a model learnt from, column by column.

The measure is the population stability index: the sum over bins of (q - p) ln(q / p), where p and q are the shares of
the reference and of the month (Siddiqi, "Credit Risk Scorecards", 2006, who calls 0.1 a small and 0.25 a large shift).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
import pandas as pd

from pipelines.duration_prediction.config import DriftLimits
from pipelines.duration_prediction.data import Trips
from pipelines.errors import DriftError

BINS = 10
# Only so many of a column's values have a bin of their own; the rest share one.
TOP_VALUES = 20
# A bin that is empty on one side would make the index infinite.
SMALLEST_SHARE = 1e-4

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


class Level(StrEnum):
    """What a shift calls for: nothing, a word in the report, or a stop."""

    NONE = "none"
    FLAG = "flag"
    STOP = "stop"


@dataclass(frozen=True)
class ColumnProfile:
    """How a column's values are spread; `marks` are the inner edges of its bins, or the values that have their own.

    `shares` has one more entry than `marks`: for edges the last bin, for values all others. Missing values are apart.
    """

    kind: str
    marks: tuple[float, ...]
    shares: tuple[float, ...]
    missing: float


@dataclass(frozen=True)
class Profile:
    """What months looked like, small enough to be kept with the model that learnt from them; `rows` is a month's."""

    rows: float
    columns: Mapping[str, ColumnProfile]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        document: dict[str, Any] = json.loads(text)
        columns = {name: _column_from(fields) for name, fields in document["columns"].items()}
        return cls(float(document["rows"]), columns)


@dataclass(frozen=True)
class ColumnDrift:
    """A column's shift: the index, and the shares of missing values now and in the reference."""

    name: str
    psi: float
    missing: float
    reference_missing: float
    level: Level


@dataclass(frozen=True)
class Drift:
    """How a month differs from the reference; `row_ratio` is its rows over those of a month of the reference."""

    rows: int
    reference_rows: float
    row_level: Level
    columns: tuple[ColumnDrift, ...]

    @property
    def row_ratio(self) -> float:
        return self.rows / self.reference_rows

    @property
    def level(self) -> Level:
        """The gravest of all levels."""
        return max((self.row_level, *(column.level for column in self.columns)), key=list(Level).index)

    @property
    def flagged(self) -> tuple[str, ...]:
        """What differs, a sentence each; empty where nothing does."""
        rows = f"It holds {self.rows:,} rows, {self.row_ratio:.2f} times those of a training month."
        columns = (
            f"{column.name} has shifted: stability index {column.psi:.2f}, missing {column.missing:.0%} of the values "
            f"({column.reference_missing:.0%} in training)."
            for column in self.columns
            if column.level is not Level.NONE
        )
        return (*([rows] if self.row_level is not Level.NONE else []), *columns)

    def check(self) -> None:
        """Raise DriftError if anything is over its hard limit."""
        if self.level is Level.STOP:
            raise DriftError(
                f"The month differs too much from those that the model learns from: {' '.join(self.flagged)} "
                "Look at its file, or raise the limits under `drift`."
            )


def profile_trips(trips: Trips) -> Profile:
    """What the months of these trips look like, column by column."""
    columns = {name: _profile(kind, values) for name, (kind, values) in _watched(trips).items()}
    return Profile(sum(count.rows for count in trips.counts) / len(trips.counts), columns)


def measure_drift(reference: Profile, trips: Trips, limits: DriftLimits) -> Drift:
    """How these trips (of one month) differ from the reference, judged by the limits."""
    watched = _watched(trips)
    rows = sum(count.rows for count in trips.counts)
    columns = tuple(
        _measure(name, profile, watched[name][1], limits)
        for name, profile in reference.columns.items()
        if name in watched
    )
    ratio = rows / reference.rows
    away = max(ratio, 1 / ratio) if ratio else float("inf")
    return Drift(rows, reference.rows, _level(away, limits.flag_rows, limits.stop_rows), columns)


def stability_index(reference: Floats, shares: Floats) -> float:
    """The population stability index of two lists of shares over the same bins."""
    expected, actual = np.maximum(reference, SMALLEST_SHARE), np.maximum(shares, SMALLEST_SHARE)
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def _watched(trips: Trips) -> dict[str, tuple[str, Floats]]:
    """The columns to compare: numbers in bins, names by value; the rest of the contract follows from these."""
    frame, pickup = trips.frame, trips.pickup
    numbers = {
        "minutes": trips.minutes,
        "trip_distance": frame["trip_distance"],
        "hour": pickup.dt.hour,
        "weekday": pickup.dt.day_of_week,
    }
    names = {name: frame[name] for name in ("PULocationID", "DOLocationID", "VendorID", "passenger_count")}
    return {
        **{name: ("edges", _floats(values)) for name, values in numbers.items()},
        **{name: ("values", _floats(values)) for name, values in names.items()},
    }


def _floats(values: pd.Series) -> Floats:
    return values.to_numpy(dtype="float64", na_value=np.nan)


def _profile(kind: str, values: Floats) -> ColumnProfile:
    present = values[~np.isnan(values)]
    if kind == "edges":
        marks = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1])) if len(present) else np.empty(0)
    else:
        each, counts = np.unique(present, return_counts=True)
        marks = np.sort(each[np.argsort(-counts, kind="stable")[:TOP_VALUES]])
    shares = _shares(kind, marks, present)
    return ColumnProfile(kind, tuple(marks.tolist()), tuple(shares.tolist()), _missing(values))


def _shares(kind: str, marks: Floats, present: Floats) -> Floats:
    """The share of values in each bin; the last holds what no mark claims."""
    if kind == "edges":
        bins = np.searchsorted(marks, present, side="left")
    else:
        bins = np.searchsorted(marks, present)
        known = (bins < len(marks)) & (marks[np.minimum(bins, len(marks) - 1)] == present) if len(marks) else False
        bins = np.where(known, bins, len(marks))
    return np.bincount(bins, minlength=len(marks) + 1) / max(len(present), 1)


def _missing(values: Floats) -> float:
    return float(np.isnan(values).mean()) if len(values) else 0.0


def _measure(name: str, profile: ColumnProfile, values: Floats, limits: DriftLimits) -> ColumnDrift:
    present, missing = values[~np.isnan(values)], _missing(values)
    psi = stability_index(np.array(profile.shares), _shares(profile.kind, np.array(profile.marks), present))
    moved = abs(missing - profile.missing)
    levels = (
        _level(psi, limits.flag_psi, limits.stop_psi) if len(present) else Level.NONE,
        _level(moved, limits.flag_missing, limits.stop_missing),
    )
    return ColumnDrift(name, psi, missing, profile.missing, max(levels, key=list(Level).index))


def _level(value: float, flag: float, stop: float) -> Level:
    if value >= stop:
        return Level.STOP
    return Level.FLAG if value >= flag else Level.NONE


def _column_from(fields: Mapping[str, Any]) -> ColumnProfile:
    return ColumnProfile(fields["kind"], tuple(fields["marks"]), tuple(fields["shares"]), fields["missing"])
