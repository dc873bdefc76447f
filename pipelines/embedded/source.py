"""Fill the embedded bucket with months: the TLC's own, from a folder or from its site, else made-up ones."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import boto3

from pipelines.embedded.months import FIRST_MONTH, write_month
from pipelines.embedded.site import PUBLIC_SITE, SECONDS_TO_ANSWER, TlcSite
from pipelines.errors import SourceError
from pipelines.tlc import Colour, Month

DATA_FOLDER_VARIABLE = "TLC_DATA_DIR"
SITE_VARIABLE = "TLC_SITE_URL"
CENTROIDS_FILE = "taxi_zone_centroids.csv"
# The embedded endpoint takes any key, but boto3 asks for one.
ANY_KEY = "embedded"
REGION = "us-east-1"


class Source(Protocol):
    """A place that can provide months."""

    @property
    def kind(self) -> str:
        """The source's name in metrics.json."""
        ...

    @property
    def sentence(self) -> str:
        """Where the months come from, in words for a log."""
        ...

    def fetch(self, month: Month, folder: Path) -> Path:
        """The month's file, written to `folder` unless it is on this machine already. Raises SourceError."""
        ...

    def centroids(self) -> Path | None:
        """The file with the centroids of the taxi zones, if the source has one."""
        ...


@dataclass(frozen=True)
class TlcFolder:
    """A folder with files under the TLC's own names."""

    path: Path
    kind: str = "tlc-dir"
    colour: Colour = Colour.GREEN

    @property
    def sentence(self) -> str:
        return f"The data are the TLC's trip records in {self.path}."

    def fetch(self, month: Month, folder: Path) -> Path:
        file = self.path / self.colour.file_name(month)
        if not file.is_file():
            present = sorted(path.stem[-7:] for path in self.path.glob(f"{self.colour}_tripdata_*.parquet"))
            known = f"it has {', '.join(present)}" if present else "it has no such file at all"
            raise SourceError(
                f"{DATA_FOLDER_VARIABLE}={self.path} has no {file.name} ({known}): choose another month or add it."
            )
        return file

    def centroids(self) -> Path | None:
        file = self.path / CENTROIDS_FILE
        return file if file.is_file() else None


@dataclass(frozen=True)
class GeneratedMonths:
    """Months made up on the spot, because of a reason."""

    reason: str
    kind: str = "generated"
    colour: Colour = Colour.GREEN

    @property
    def sentence(self) -> str:
        return (
            f"The data are generated, not real, because {self.reason}: set {DATA_FOLDER_VARIABLE} to a folder with the "
            "TLC's monthly files to train on real trips."
        )

    def fetch(self, month: Month, folder: Path) -> Path:
        if self.colour is not Colour.GREEN:
            raise SourceError(
                f"Only months of green taxis can be made up, not {self.colour} ones: set {DATA_FOLDER_VARIABLE} to a "
                "folder with the TLC's monthly files."
            )
        if month < FIRST_MONTH:
            raise SourceError(f"There were no green taxis in {month}: choose a month from {FIRST_MONTH} on.")
        return write_month(month, folder)

    def centroids(self) -> Path | None:
        """An invented city is on no map."""
        return None


def choose_source(
    environ: Mapping[str, str], cache: Path, months: Sequence[Month], colour: Colour = Colour.GREEN
) -> Source:
    """The folder named by TLC_DATA_DIR; without it the TLC's site if it answers, else made-up months.

    The site need not answer if `cache` holds every month that is asked for. TLC_SITE_URL names a mirror of the site,
    and left empty, none at all. Raises SourceError for a folder or an address that is none.
    """
    named = environ.get(DATA_FOLDER_VARIABLE, "").strip()
    if named:
        return _folder(named, colour)
    url = environ.get(SITE_VARIABLE, PUBLIC_SITE).strip().rstrip("/")
    if not url:
        return GeneratedMonths(f"{SITE_VARIABLE} is empty", colour=colour)
    if urlsplit(url).scheme not in ("http", "https"):
        raise SourceError(f"{SITE_VARIABLE}={url} is no address of a site: write it as https://host/folder.")
    site = TlcSite(url, cache, colour=colour)
    if all(site.has(month) for month in months) or site.answers():
        return site
    return GeneratedMonths(f"the TLC's site did not answer within {SECONDS_TO_ANSWER:g} s", colour=colour)


def _folder(named: str, colour: Colour) -> TlcFolder:
    path = Path(named).expanduser().absolute()
    if not path.is_dir():
        raise SourceError(f"{DATA_FOLDER_VARIABLE}={named} is not a folder: name one with the TLC's monthly files.")
    return TlcFolder(path, colour=colour)


def fill_bucket(
    endpoint_url: str, bucket: str, prefix: str, source: Source, months: Sequence[Month]
) -> list[SourceError]:
    """Make the bucket at the embedded endpoint; put the months and the zones' centroids into it under the prefix.

    A month that the source cannot provide is left out, as it would be from anybody's bucket, so that the job itself
    fails for want of it and tells people; the answer says why for each such month.
    """
    client = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=ANY_KEY,
        aws_secret_access_key=ANY_KEY,
        region_name=REGION,
    )
    client.create_bucket(Bucket=bucket)
    missing = []
    centroids = source.centroids()
    if centroids is not None:
        client.upload_file(str(centroids), bucket, prefix + centroids.name)
    with tempfile.TemporaryDirectory() as folder:
        for month in months:
            try:
                file = source.fetch(month, Path(folder))
                client.upload_file(str(file), bucket, prefix + file.name)
            except SourceError as error:
                missing.append(error)
    return missing
