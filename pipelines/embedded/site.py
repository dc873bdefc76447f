"""The TLC's public site as a source of months: asked first whether it answers, and each month fetched once."""

import hashlib
import threading
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.embedded.download import PATIENT, Patience, download, head_of
from pipelines.errors import SourceError
from pipelines.tlc import Colour, Month

PUBLIC_SITE = "https://d37ci6vzurychx.cloudfront.net/trip-data"
# Published for certain, so that a site that serves it is the TLC's, and not something else that answers in its place.
KNOWN_MONTH = Month(2021, 1)
PARQUET_MARK = b"PAR1"
SECONDS_TO_ANSWER = 2.0


@dataclass(frozen=True)
class TlcSite:
    """Months from the TLC's site, or a mirror of it, kept on this machine; `url` is that of the months' folder."""

    url: str
    cache: Path
    patience: Patience = field(default=PATIENT, compare=False)
    kind: str = "tlc-site"
    colour: Colour = Colour.GREEN

    @property
    def sentence(self) -> str:
        return f"The data are the TLC's trip records from {self.url}."

    def has(self, month: Month) -> bool:
        """Whether the month is on this machine already."""
        return self._kept(month).is_file()

    def answers(self, seconds: float = SECONDS_TO_ANSWER) -> bool:
        """Whether the site serves a month that it certainly has, within so many seconds all told."""
        found: list[bytes] = []

        def ask() -> None:
            try:
                found.append(head_of(self._address(KNOWN_MONTH), len(PARQUET_MARK), seconds))
            except (OSError, HTTPException, ValueError):
                return

        # A thread, because no time-out ends a look-up of a name.
        asking = threading.Thread(target=ask, name="site", daemon=True)
        asking.start()
        asking.join(seconds)
        return found == [PARQUET_MARK]

    def fetch(self, month: Month, _folder: Path) -> Path:
        """The month's file, fetched once. Raises NotPublishedError or SourceError if it cannot be had."""
        kept = self._kept(month)
        if not kept.is_file():
            download(self._address(month), kept, lambda part: _check(part, self._address(month)), self.patience)
        return kept

    def centroids(self) -> Path | None:
        """The site publishes the zones' shapes, not their centroids."""
        return None

    def _kept(self, month: Month) -> Path:
        return self.cache / hashlib.sha256(self.url.encode()).hexdigest()[:12] / self.colour.file_name(month)

    def _address(self, month: Month) -> str:
        return f"{self.url}/{self.colour.file_name(month)}"


def _check(part: Path, url: str) -> None:
    """Read the whole file once. Raises SourceError if that is not possible."""
    try:
        with pq.ParquetFile(part) as file:
            for _ in file.iter_batches():
                continue
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise SourceError(
            f"What {url} served is not a readable parquet file ({reason}), so it was not kept: run again, or set "
            "TLC_DATA_DIR to a folder with the file."
        ) from error
