"""Keys of a bucket and paths of a disk: which object goes where, and which may not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from blocks.s3_errors import UnsafeKeyError
from orchestration.sdk.blocks import kept_files


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object as a listing tells it; ``size`` in bytes."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Download:
    """One object and the file that it becomes."""

    source: RemoteObject
    target: Path


def join_key(*parts: str) -> str:
    """The parts as one key; an empty part counts for nothing, and a trailing slash is kept."""
    given = [part for part in parts if part]
    joined = PurePosixPath(*given).as_posix() if given else ""
    return f"{joined}/" if given and given[-1].endswith("/") else joined


def folder_prefix(folder: str) -> str:
    """The prefix that the keys in a folder share; the whole bucket has none."""
    return f"{folder.rstrip('/')}/" if folder.strip("/") else ""


def keyed_files(folder: Path, prefix: str, ignore_file: str | None = None) -> Iterator[tuple[Path, str]]:
    """The files in a folder, each with its key below ``prefix``; those that ``ignore_file`` names are left out."""
    lines = Path(ignore_file).read_text(encoding="utf-8").splitlines() if ignore_file else []
    for path in filter(Path.is_file, kept_files(folder, lines)):
        yield path, join_key(prefix, path.relative_to(folder).as_posix())


def plan_downloads(objects: Sequence[RemoteObject], prefix: str, folder: Path) -> list[Download]:
    """Where each object below ``prefix`` goes inside ``folder``; markers of folders are left out.

    Raises:
        UnsafeKeyError: a key would leave the folder, or two keys would become one file.
    """
    root = folder.resolve()
    downloads: dict[Path, Download] = {}
    for source in objects:
        if source.key.endswith("/"):
            continue
        target = root / local_path(source.key.removeprefix(prefix), source.key)
        if not target.parent.resolve().is_relative_to(root):
            raise UnsafeKeyError(
                f"The object {source.key!r} would be written through a link that leaves {root}; "
                "remove the link, or download to another folder."
            )
        if target in downloads:
            raise UnsafeKeyError(
                f"The objects {downloads[target].source.key!r} and {source.key!r} would become the same file "
                f"{target}; rename one of them."
            )
        downloads[target] = Download(source, target)
    return _no_file_is_a_folder(downloads)


def local_path(relative: str, key: str) -> PurePosixPath:
    """A relative key as a path that stays where it is put.

    Raises:
        UnsafeKeyError: it is absolute, climbs with ``..``, or holds a backslash or NUL.
    """
    parts = relative.split("/")
    if relative.startswith("/") or "\\" in relative or "\0" in relative or any(part in (".", "..") for part in parts):
        raise UnsafeKeyError(
            f"The object {key!r} has a key that tries to leave the target folder (absolute, '..', a backslash "
            "or NUL), so nothing was downloaded; rename or remove it in the bucket."
        )
    return PurePosixPath(relative)


def _no_file_is_a_folder(downloads: dict[Path, Download]) -> list[Download]:
    for target, download in downloads.items():
        above = next((parent for parent in target.parents if parent in downloads), None)
        if above is not None:
            raise UnsafeKeyError(
                f"The object {downloads[above].source.key!r} would have to be a file and, for {download.source.key!r}, "
                "a folder; rename one of them."
            )
    return list(downloads.values())
