"""Many objects at once, large ones in parts, each file whole or not there at all."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from blocks.progress import progress_bar
from blocks.s3_cache import cache_path, changed, note, read_known
from blocks.s3_errors import DiskFullError, S3ObjectNotFound, error_code, explained, is_interruption
from blocks.s3_objects import MIB, Remote, Transfer, list_objects
from blocks.s3_paths import Download, RemoteObject, folder_prefix, plan_downloads

CHUNK = MIB

Report = Callable[[int], None]


class PartialFile:
    """A file that is being downloaded, under a temporary name beside its own.

    Its writer holds a lock on it, so that what a killed process left behind is told from what another
    process is writing right now.
    """

    def __init__(self, download: Download, parts: int, finished: list[Download]) -> None:
        self.download = download
        self._finished = finished
        self._left = parts
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self.path = download.target.with_name(f".{download.target.name}.{os.urandom(6).hex()}.part")

    def descriptor(self) -> int:
        """The open temporary file, made at its full size by the first to ask."""
        with self._lock:
            if self._descriptor is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                remove_leftovers(self.download.target)
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
                os.ftruncate(self._descriptor, self.download.source.size)
            return self._descriptor

    def part_done(self) -> None:
        """Note that a part is written; with the last one, the file gets its own name."""
        descriptor = self.descriptor()
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.path.replace(self.download.target)
                os.close(descriptor)
                self._descriptor = None
                self._finished.append(self.download)

    def discard(self) -> None:
        """Remove what was written, unless the file is complete."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
                self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from ``start`` up to ``end`` of one object."""

    file: PartialFile
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a download of a folder did; ``size`` in bytes."""

    downloaded: int
    unchanged: int
    size: int

    def __str__(self) -> str:
        kept = f"; {self.unchanged} unchanged" if self.unchanged else ""
        return f"{self.downloaded} objects, {self.size / 1e6:,.1f} MB{kept}"


def download_folder(remote: Remote, folder: str, target: Path, notes: Path, callback: Report | None = None) -> Outcome:
    """Download what lies in a folder of a bucket, except the objects whose files are there already, unchanged.

    Args:
        folder: its key; empty for the whole bucket.
        notes: the folder in which to note the versions of the files.
        callback: is told the number of bytes as they arrive.

    Raises:
        S3ObjectNotFound: nothing lies in the folder.
        S3Error: see ``blocks.s3_errors``.
    """
    prefix = folder_prefix(folder)
    objects = [RemoteObject(each["Key"], each["Size"], each["ETag"]) for each in list_objects(remote, prefix)]
    if not objects:
        raise S3ObjectNotFound(
            f"Nothing lies in {remote.place(prefix)}; check the folder's name and the block's bucket_folder."
        )
    target.mkdir(parents=True, exist_ok=True)
    plan = plan_downloads(objects, prefix, target)
    path = cache_path(notes, target, str(remote.place(prefix)))
    known = read_known(path)
    wanted = changed(plan, known)
    there = set(plan).difference(wanted)
    finished: list[Download] = []
    try:
        download_files(remote, wanted, target, callback, finished)
    finally:
        note(path, [*there, *finished], known)
    return Outcome(len(wanted), len(there), sum(each.source.size for each in wanted))


def download_files(
    remote: Remote, wanted: Sequence[Download], folder: Path, callback: Report | None, finished: list[Download]
) -> None:
    """Download objects with a progress bar, if the disk has room for them."""
    if not wanted:
        return
    check_room(wanted, folder)
    what = f"{len(wanted)} objects" if len(wanted) > 1 else wanted[0].target.name
    with progress_bar(f"Downloading {what}", sum(download.source.size for download in wanted)) as bar:

        def report(count: int) -> None:
            bar.add(count)
            if callback is not None:
                callback(count)

        download_all(remote, wanted, report, finished)


def download_all(remote: Remote, downloads: Sequence[Download], report: Report, finished: list[Download]) -> None:
    """Download every object to its file.

    Args:
        report: is told the number of bytes as they arrive, by several threads.
        finished: gets each download whose file is complete, whatever happens to the others.

    Raises:
        S3Error: the first thing that went wrong; files that were complete by then stay, others leave no trace.
    """
    parts = [part for download in downloads for part in parts_of(download, finished, remote.transfer)]
    stop = threading.Event()
    pool = ThreadPoolExecutor(remote.transfer.workers, thread_name_prefix="s3")
    try:
        futures = [pool.submit(_fetch, remote, part, report, stop) for part in parts]
        _raise_first(wait(futures, return_when=FIRST_EXCEPTION).done)
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        for part in parts:
            part.file.discard()


def parts_of(download: Download, finished: list[Download], transfer: Transfer) -> list[Part]:
    """The parts in which an object is asked for: one, unless it is large."""
    size = download.source.size
    step = transfer.part if size >= transfer.multipart_from else max(size, 1)
    starts = range(0, max(size, 1), step)
    file = PartialFile(download, len(starts), finished)
    return [Part(file, start, min(start + step, size)) for start in starts]


def check_room(downloads: Sequence[Download], folder: Path) -> None:
    """Refuse to begin what cannot fit.

    Raises:
        DiskFullError: the disk has fewer bytes free than the objects have.
    """
    needed, free = sum(download.source.size for download in downloads), shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFullError(
            f"{needed / 1e6:,.0f} MB are to be downloaded to {folder}, and {free / 1e6:,.0f} MB are free; "
            "free some space or choose another folder. Nothing was downloaded."
        )


def remove_leftovers(target: Path) -> None:
    """Remove temporary files of a target whose writers are gone."""
    for leftover in target.parent.glob(f".{glob_literal(target.name)}.*.part"):
        with suppress(OSError):
            descriptor = os.open(leftover, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink(missing_ok=True)
            finally:
                os.close(descriptor)


def glob_literal(name: str) -> str:
    """A name in which no character is special to ``glob``."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def write_at(descriptor: int, data: bytes, position: int) -> None:
    """Write all of the data at a position of an open file."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written


def _fetch(remote: Remote, part: Part, report: Report, stop: threading.Event) -> None:
    """Get one part; where the connection is cut, go on from there."""
    position = part.start
    for pause in (*remote.transfer.pauses, None):
        try:
            for count in _stream(remote, part, position):
                position += count
                report(count)
                if stop.is_set():
                    return
            part.file.part_done()
            return
        except Exception as error:
            if stop.is_set():
                return
            if pause is None or not is_interruption(error):
                raise explained(error, remote.place(part.file.download.source.key)) from error
            if error_code(error) == "FlexibleChecksumError":  # any byte so far may be the wrong one
                report(part.start - position)
                position = part.start
            stop.wait(pause * (1 + random.random() / 2))  # noqa: S311 - spreads retries, guards nothing


def _stream(remote: Remote, part: Part, position: int) -> Iterator[int]:
    """Write the bytes from ``position`` to the end of the part as they come; the size of each piece."""
    source, descriptor = part.file.download.source, part.file.descriptor()
    if position >= part.end:
        return
    wanted = {} if (position, part.end) == (0, source.size) else {"Range": f"bytes={position}-{part.end - 1}"}
    same = {"IfMatch": source.etag} if source.etag else {}
    answer = remote.client.get_object(Bucket=remote.bucket, Key=source.key, **same, **wanted, **remote.extra)
    with closing(answer["Body"]) as body:
        while piece := body.read(CHUNK):
            write_at(descriptor, piece, position)
            position += len(piece)
            yield len(piece)
    if position != part.end:
        raise ConnectionError(f"the answer ended at byte {position} instead of {part.end}")


def _raise_first(done: set[Future[None]]) -> None:
    for future in done:
        error = future.exception()
        if error is not None:
            raise error
