"""Fetch one file over HTTP: what arrived before a cut is kept and gone on from, even by a later process."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pipelines.errors import NotPublishedError, SourceError
from pipelines.progress import Bar, progress_bar

CHUNK = 65_536
PARTIAL, NOT_SATISFIABLE, TOO_MANY, SERVER_ERROR = 206, 416, 429, 500
# Object stores answer 403 for a file that is not there to whoever may not list them.
ABSENT = (403, 404, 410)
UNKNOWN = "unknown"
AGENT = {"User-Agent": "taxi-durations"}


@dataclass(frozen=True)
class Patience:
    """How long to wait for each piece of an answer, and before each new attempt; all in seconds."""

    answer: float = 30.0
    pauses: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)


PATIENT = Patience()


def download(url: str, target: Path, check: Callable[[Path], None], patience: Patience = PATIENT) -> None:
    """Fetch a file; `target` gets its name once the file is whole and `check`, which may raise, has seen it.

    A server that sends more bytes at each attempt is asked on until the file is whole. Raises NotPublishedError if
    there is no such file, SourceError if it cannot be had, and what `check` raises; then there is no `target`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with progress_bar(f"Fetching {target.name}") as bar:
        part = _fetch(url, target, patience, bar)
    try:
        check(part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(target)


def head_of(url: str, count: int, seconds: float) -> bytes:
    """The first bytes of a file. Raises OSError or HTTPException if it cannot be had."""
    with _open(url, {"Range": f"bytes=0-{count - 1}"}, seconds) as answer:
        return answer.read(count)


def _fetch(url: str, target: Path, patience: Patience, bar: Bar) -> Path:
    """The file under its temporary name."""
    attempt = 0
    while True:
        before = bar.done
        try:
            return _attempt(url, target, patience.answer, bar)
        except (OSError, HTTPException) as error:
            _raise_if_hopeless(error, url)
            attempt = 0 if bar.done > before else attempt + 1
            if attempt > len(patience.pauses):
                raise SourceError(
                    f"{url} could not be fetched ({_reason(error)}): run again to go on where it stopped, or set "
                    "TLC_DATA_DIR to a folder with the file."
                ) from error
            time.sleep(patience.pauses[max(attempt - 1, 0)] if patience.pauses else 0.0)


def _attempt(url: str, target: Path, seconds: float, bar: Bar) -> Path:
    """Ask for what is missing, and add what comes. Raises ConnectionError if the answer ends early."""
    part = _begun(target)
    start = part.stat().st_size if part else 0
    try:
        answer = _open(url, {"Range": f"bytes={start}-"} if start else {}, seconds)
    except HTTPError as error:
        if error.code == NOT_SATISFIABLE:
            _forget(target)
        raise
    with answer:
        begun, part = part, target.with_name(f".{target.name}.{_version(answer)}.part")
        goes_on = answer.status == PARTIAL
        if not goes_on or part != begun:
            _forget(target)
        if goes_on and part != begun:
            raise ConnectionError("the file has changed meanwhile")
        _receive(answer, part, _total(answer, start if goes_on else 0), bar)
    return part


def _begun(target: Path) -> Path | None:
    """What there is of the file already, if its version is known."""
    found = list(target.parent.glob(f".{target.name}.*.part"))
    if len(found) == 1 and f".{UNKNOWN}." not in found[0].name:
        return found[0]
    _forget(target)
    return None


def _forget(target: Path) -> None:
    for part in target.parent.glob(f".{target.name}.*.part"):
        part.unlink(missing_ok=True)


def _receive(answer: HTTPResponse, part: Path, total: int | None, bar: Bar) -> None:
    with part.open("ab") as file:
        size = file.tell()
        while piece := answer.read(CHUNK):
            file.write(piece)
            size += len(piece)
            bar.reach(size, total)
    if total is not None and size != total:
        if size > total:
            part.unlink()
        raise ConnectionError(f"the answer ended at byte {size} of {total}")


def _open(url: str, headers: dict[str, str], seconds: float) -> HTTPResponse:
    try:
        answer: HTTPResponse = urlopen(Request(url, headers=AGENT | headers), timeout=seconds)  # noqa: S310 - see TlcSite
    except HTTPError as error:
        error.close()
        raise
    return answer


def _version(answer: HTTPResponse) -> str:
    """A short name for the version of the file that an answer belongs to."""
    mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    return hashlib.sha256(mark.encode()).hexdigest()[:16] if mark else UNKNOWN


def _total(answer: HTTPResponse, start: int) -> int | None:
    """The size of the whole file, if the answer tells it."""
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None


def _raise_if_hopeless(error: Exception, url: str) -> None:
    if not isinstance(error, HTTPError) or error.code in (NOT_SATISFIABLE, TOO_MANY) or error.code >= SERVER_ERROR:
        return
    if error.code in ABSENT:
        raise NotPublishedError(
            f"The TLC has not published {url.rpartition('/')[2]} (no such file at {url}): choose another month."
        ) from error
    raise SourceError(
        f"{url} could not be fetched ({_reason(error)}): set TLC_DATA_DIR to a folder with the file."
    ) from error


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
