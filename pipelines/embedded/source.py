"""Fill the embedded bucket with months: the TLC's own files from a folder, or made-up ones where there are none."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import boto3

from pipelines.embedded.months import FIRST_MONTH, write_month
from pipelines.errors import SourceError
from pipelines.tlc import Month

DATA_FOLDER_VARIABLE = "TLC_DATA_DIR"
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


@dataclass(frozen=True)
class TlcFolder:
    """A folder with files under the TLC's own names."""

    path: Path
    kind: str = "tlc-dir"

    @property
    def sentence(self) -> str:
        return f"The data are the TLC's trip records in {self.path}."

    def fetch(self, month: Month, folder: Path) -> Path:
        file = self.path / month.file_name
        if not file.is_file():
            present = sorted(path.stem[-7:] for path in self.path.glob("green_tripdata_*.parquet"))
            known = f"it has {', '.join(present)}" if present else "it has no such file at all"
            raise SourceError(
                f"{DATA_FOLDER_VARIABLE}={self.path} has no {file.name} ({known}): choose another month or add it."
            )
        return file


@dataclass(frozen=True)
class GeneratedMonths:
    """Months made up on the spot."""

    kind: str = "generated"

    @property
    def sentence(self) -> str:
        return (
            f"The data are generated, not real: set {DATA_FOLDER_VARIABLE} to a folder with the TLC's monthly files to "
            "train on real trips."
        )

    def fetch(self, month: Month, folder: Path) -> Path:
        if month < FIRST_MONTH:
            raise SourceError(f"There were no green taxis in {month}: choose a month from {FIRST_MONTH} on.")
        return write_month(month, folder)


def choose_source(environ: Mapping[str, str]) -> Source:
    """The folder named by TLC_DATA_DIR if it is set, else made-up months. Raises SourceError if there is no folder."""
    named = environ.get(DATA_FOLDER_VARIABLE, "").strip()
    if not named:
        return GeneratedMonths()
    path = Path(named).expanduser().absolute()
    if not path.is_dir():
        raise SourceError(f"{DATA_FOLDER_VARIABLE}={named} is not a folder: name one with the TLC's monthly files.")
    return TlcFolder(path)


def fill_bucket(endpoint_url: str, bucket: str, prefix: str, source: Source, months: Sequence[Month]) -> None:
    """Make the bucket at the embedded endpoint and put the months' files into it under the prefix.

    Raises SourceError for a month that the source cannot provide.
    """
    client = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=ANY_KEY,
        aws_secret_access_key=ANY_KEY,
        region_name=REGION,
    )
    client.create_bucket(Bucket=bucket)
    with tempfile.TemporaryDirectory() as folder:
        for month in months:
            client.upload_file(str(source.fetch(month, Path(folder))), bucket, prefix + month.file_name)
