"""Which objects of the bucket a run needs, when an absent month should come, and where files are kept here."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.duration_prediction.config import BUCKET_PREFIX, CENTROIDS_FILE
from pipelines.errors import LateMonthError, MissingMonthError, OverdueMonthError
from pipelines.tlc import Colour, Month

DAYS_TO_KEEP = 60
DAY = 86_400.0
# The TLC publishes a month about two months after its end (its page on trip records).
MONTHS_TO_PUBLISH = 2
CENTROIDS_PATH = BUCKET_PREFIX + CENTROIDS_FILE


@dataclass(frozen=True)
class StoredFile:
    """A file in the bucket: its path, its size in bytes, and the mark (ETag) of its version."""

    path: str
    size: int
    version: str

    def file(self, cache: Path) -> Path:
        """Where this version is kept; another version of the file has another place, so that none is overwritten."""
        mark = hashlib.sha256(f"{self.version} {self.size}".encode()).hexdigest()[:16]
        return cache / mark / self.path.rpartition("/")[2]

    def is_kept(self, cache: Path) -> bool:
        """Whether this version is on this machine, whole."""
        path = self.file(cache)
        return path.is_file() and path.stat().st_size == self.size


def listing_prefix(colour: Colour) -> str:
    """What the paths of a colour's months begin with."""
    return f"{BUCKET_PREFIX}{colour}_tripdata_"


def month_path(colour: Colour, month: Month) -> str:
    """The path of a month in the bucket."""
    return BUCKET_PREFIX + colour.file_name(month)


def find_months(
    listed: Sequence[Mapping[str, Any]], months: Sequence[Month], colour: Colour, bucket: str, today: date
) -> dict[Month, StoredFile]:
    """The months among the objects of the bucket's listing, as boto3 describes them, in the order asked for.

    Raises LateMonthError for a month that need not be there yet, OverdueMonthError for one that should be the next to
    come, and else MissingMonthError, which name the first one that is not there, those that are, and when a month
    should come.
    """
    objects = {str(each["Key"]).rpartition("/")[2]: each for each in listed}
    absent = next((month for month in months if colour.file_name(month) not in objects), None)
    if absent is not None:
        raise _absence(absent, [*objects], colour, bucket, today)
    return {month: _stored(month_path(colour, month), objects[colour.file_name(month)]) for month in months}


def find_centroids(listed: Sequence[Mapping[str, Any]]) -> StoredFile | None:
    """The zones' centroids, if the bucket has them."""
    found = next((each for each in listed if str(each["Key"]).rpartition("/")[2] == CENTROIDS_FILE), None)
    return None if found is None else _stored(CENTROIDS_PATH, found)


def expected_on(month: Month) -> date:
    """About when the TLC publishes a month."""
    due = month.next()
    for _ in range(MONTHS_TO_PUBLISH):
        due = due.next()
    return date(due.year, due.month, 1)


def forget_old_files(cache: Path, now: float) -> None:
    """Remove kept files that no run has used for two months; `now` in seconds since 1970."""
    for path in cache.glob("*/*"):
        if path.suffix in (".parquet", ".csv") and path.stat().st_mtime < now - DAYS_TO_KEEP * DAY:
            path.unlink(missing_ok=True)


def mark_used(path: Path, now: float) -> None:
    """Note that a run uses a kept file."""
    os.utime(path, (now, now))


def _stored(path: str, described: Mapping[str, Any]) -> StoredFile:
    return StoredFile(path, int(described["Size"]), str(described["ETag"]))


def _absence(month: Month, names: Sequence[str], colour: Colour, bucket: str, today: date) -> MissingMonthError:
    """The error that tells of a month that is not in the bucket."""
    pattern = rf"{colour}_tripdata_(\d{{4}}-\d\d)\.parquet"
    present = sorted(found[1] for name in names if (found := re.fullmatch(pattern, name)))
    known = f"it holds {_span(present)}" if present else "it holds no month at all"
    place = f"The bucket {bucket} has no {month_path(colour, month)}"
    due = expected_on(month)
    if present and present[-1] > str(month):
        return MissingMonthError(
            f"{place}, but months after it ({known}): upload the month that was left out or choose another one."
        )
    if due > today:
        return LateMonthError(
            f"{place} yet ({known}): the TLC publishes a month about two months after its end, so expect {month} "
            f"around {due.isoformat()} and run again then.",
        )
    kind = OverdueMonthError if present else MissingMonthError
    return kind(f"{place} ({known}): upload that month or choose another one.")


def _span(months: Sequence[str]) -> str:
    few = 12
    return ", ".join(months) if len(months) <= few else f"{len(months)} months from {months[0]} to {months[-1]}"
