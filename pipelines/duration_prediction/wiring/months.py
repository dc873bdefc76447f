"""The tasks that fetch and read months, which training and prediction share."""

import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from blocks.aws import S3Bucket
from blocks.s3_paths import join_key
from orchestration import get_run_logger, task
from pipelines.duration_prediction.bucket import (
    CENTROIDS_PATH,
    StoredFile,
    find_centroids,
    find_months,
    forget_old_files,
    listing_prefix,
    mark_used,
)
from pipelines.duration_prediction.config import BUCKET_PREFIX, MonthPlan
from pipelines.duration_prediction.data import Trips, load_trips
from pipelines.duration_prediction.fingerprint import hash_file
from pipelines.duration_prediction.registry import DataFile
from pipelines.duration_prediction.wiring.runs import home
from pipelines.tlc import Colour, Month


class Downloaded(NamedTuple):
    """The files of months, that of the zones' centroids if there is one, and the address of the bucket's folder."""

    months: Mapping[Month, Path]
    centroids: Path | None
    address: str

    def data_files(self, plan: MonthPlan) -> tuple[DataFile, ...]:
        """The files as MLflow is told of them."""
        uses = {**dict.fromkeys(plan.train, "learn"), plan.validate: "judge"}
        files = [(path, uses[month]) for month, path in self.months.items()]
        if self.centroids is not None:
            files.append((self.centroids, "map"))
        return tuple(DataFile(path.name, use, self.address + path.name, hash_file(path)) for path, use in files)


@task
def download_months(s3_block: str, months: Sequence[Month], colour: Colour = Colour.GREEN) -> Downloaded:
    """Fetch the months from the bucket, but for those that are here already, unchanged, and the zones' centroids."""
    bucket = S3Bucket.load(s3_block)
    listed = bucket.list_objects(listing_prefix(colour))
    stored = find_months(listed, months, colour, bucket.bucket_name, date.today())
    centroids = find_centroids(bucket.list_objects(CENTROIDS_PATH))
    wanted = [*stored.values(), *([centroids] if centroids else [])]
    fetched = _fetch(bucket, wanted)
    get_run_logger().info("Fetched %d of %d files; the others were here already.", fetched, len(wanted))
    cache = _cache()
    return Downloaded(
        {month: file.file(cache) for month, file in stored.items()},
        centroids.file(cache) if centroids else None,
        f"s3://{bucket.bucket_name}/{join_key(bucket.bucket_folder, BUCKET_PREFIX)}",
    )


@task
def load(files: Mapping[Month, Path], months: Sequence[Month], colour: Colour = Colour.GREEN) -> Trips:
    """The valid trips of some months."""
    trips = load_trips({month: files[month] for month in months}, colour)
    for count in trips.counts:
        get_run_logger().info("%s: kept %s of %s trips.", count.month, f"{count.kept:,}", f"{count.rows:,}")
    return trips


def _fetch(bucket: S3Bucket, wanted: Sequence[StoredFile]) -> int:
    """Fetch the files that are not here yet, and forget those that nobody has used for long; how many were fetched."""
    cache, now = _cache(), time.time()
    absent = [each for each in wanted if not each.is_kept(cache)]
    for each in absent:
        bucket.download_object_to_path(each.path, each.file(cache))
    for each in wanted:
        mark_used(each.file(cache), now)
    forget_old_files(cache, now)
    return len(absent)


def _cache() -> Path:
    return home() / "cache" / "months"
