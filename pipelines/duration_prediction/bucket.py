"""Which objects of the bucket are the months that a run needs, and where their files are kept on this machine."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.duration_prediction.config import BUCKET_PREFIX
from pipelines.errors import MissingMonthError
from pipelines.tlc import Month

FILE_PREFIX = "green_tripdata_"
DAYS_TO_KEEP = 60
DAY = 86_400.0


@dataclass(frozen=True)
class StoredMonth:
    """A month in the bucket: its path, its size in bytes, and the mark (ETag) of its version."""

    month: Month
    size: int
    version: str

    @property
    def path(self) -> str:
        return BUCKET_PREFIX + self.month.file_name

    def file(self, cache: Path) -> Path:
        """Where this version is kept; another version of the month has another place, so that none is overwritten."""
        mark = hashlib.sha256(f"{self.version} {self.size}".encode()).hexdigest()[:16]
        return cache / mark / self.month.file_name

    def is_kept(self, cache: Path) -> bool:
        """Whether this version is on this machine, whole."""
        path = self.file(cache)
        return path.is_file() and path.stat().st_size == self.size


def find_months(listed: Sequence[Mapping[str, Any]], months: Sequence[Month], bucket: str) -> list[StoredMonth]:
    """The months among the objects of the bucket's listing, as boto3 describes them.

    Raises MissingMonthError that names the first one that is not there, and those that are.
    """
    objects = {str(each["Key"]).rpartition("/")[2]: each for each in listed}
    absent = next((month for month in months if month.file_name not in objects), None)
    if absent is not None:
        present = sorted(found[1] for name in objects if (found := re.fullmatch(rf"{FILE_PREFIX}(.+)\.parquet", name)))
        known = f"it holds {_span(present)}" if present else "it holds no month at all"
        raise MissingMonthError(
            f"The bucket {bucket} has no {BUCKET_PREFIX}{absent.file_name} ({known}): upload that month or choose "
            "another one."
        )
    wanted = ((month, objects[month.file_name]) for month in months)
    return [StoredMonth(month, int(each["Size"]), str(each["ETag"])) for month, each in wanted]


def forget_old_files(cache: Path, now: float) -> None:
    """Remove kept files that no run has used for two months; `now` in seconds since 1970."""
    for path in cache.glob(f"*/{FILE_PREFIX}*.parquet"):
        if path.stat().st_mtime < now - DAYS_TO_KEEP * DAY:
            path.unlink(missing_ok=True)


def mark_used(path: Path, now: float) -> None:
    """Note that a run uses a kept file."""
    os.utime(path, (now, now))


def _span(months: Sequence[str]) -> str:
    few = 12
    return ", ".join(months) if len(months) <= few else f"{len(months)} months from {months[0]} to {months[-1]}"
