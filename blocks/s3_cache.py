"""Which version of an object each downloaded file holds, so that unchanged ones are not downloaded again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blocks.s3_paths import Download

Known = Mapping[str, Any]


def cache_path(notes: Path, folder: Path, origin: str) -> Path:
    """Where the versions of the files in a folder that came from ``origin`` are noted."""
    name = hashlib.sha256(f"{folder.resolve()}\0{origin}".encode()).hexdigest()[:32]
    return notes / f"{name}.json"


def read_known(path: Path) -> Known:
    """What was noted; nothing when the note is missing or unreadable, since downloading again does no harm."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def changed(downloads: Iterable[Download], known: Known) -> list[Download]:
    """The downloads whose file is absent, was touched since, or holds another version of its object."""
    return [each for each in downloads if (mark := _mark(each)) is None or known.get(str(each.target)) != mark]


def note(path: Path, downloads: Iterable[Download], known: Known) -> None:
    """Note which versions the files hold now; files that are gone are forgotten."""
    marks = {str(download.target): mark for download in downloads if (mark := _mark(download)) is not None}
    if marks == known:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    temporary.write_text(json.dumps(marks), encoding="utf-8")
    temporary.replace(path)


def _mark(download: Download) -> list[Any] | None:
    """The version of an object, and what shows that its file was not touched since; ``None`` without the file."""
    try:
        status = download.target.stat()
    except OSError:
        return None
    if status.st_size != download.source.size:
        return None
    return [download.source.etag, status.st_size, status.st_mtime_ns]
