"""``LocalFileSystem``: the files below a folder of this machine, but for those that an ignore file names."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec, PathSpec
from pydantic import Field, field_validator

from orchestration.sdk.awaiting import awaited, either
from orchestration.sdk.block_model import BlockUsageError
from orchestration.sdk.blocks import Block
from orchestration.sdk.results import write_whole


def kept_files(folder: Path, lines: Iterable[str] = ()) -> Iterator[Path]:
    """The files below a folder that the rules do not leave out, sorted; ignored folders and links are not entered."""
    given = list(lines)
    of_files, of_folders = GitIgnoreSpec.from_lines(given), PathSpec.from_lines("gitignore", given)

    def kept(inside: Path) -> Iterator[Path]:
        for path in sorted(inside.iterdir()):
            relative = path.relative_to(folder).as_posix()
            if not path.is_dir() or path.is_symlink():
                yield from [] if of_files.match_file(relative) else [path]
            elif not of_folders.match_file(f"{relative}/"):
                yield from kept(path)

    return kept(folder)


# What blocks that hold files can do, in Prefect's words.
FILES_AND_FOLDERS = ("get-directory", "put-directory", "read-path", "write-path")


class LocalFileSystem(Block):
    """Store data as a file on a local file system."""

    _block_type_name = "Local File System"
    _logo_url = "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos/filesystem.png"
    _documentation_url = "https://docs.prefect.io/latest/develop/results#specifying-a-default-filesystem"
    _block_schema_capabilities = FILES_AND_FOLDERS

    basepath: str | None = Field(default=None, description="Default local path for this block to write to.")

    @field_validator("basepath", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, Path) else value

    def _resolve_path(self, path: str | None) -> Path:
        """Where a path lies; paths outside the base folder are refused."""
        base = Path(self.basepath or ".").expanduser().resolve()
        resolved = (base / Path(path or ".").expanduser()).resolve()
        if not resolved.is_relative_to(base):
            raise BlockUsageError(f"The path {resolved} is outside the folder {base} of this block; use one inside.")
        return resolved

    @either
    def read_path(self, path: str) -> bytes:
        """The contents of a file.

        Raises:
            BlockUsageError: it is not a file, or outside the base folder.
        """
        file = self._resolve_path(path)
        if not file.is_file():
            raise BlockUsageError(f"Path {file} {'is not a file' if file.exists() else 'does not exist'}.")
        return file.read_bytes()

    aread_path = awaited(read_path)

    @either
    def write_path(self, path: str, content: bytes) -> str:
        """Write a file, making folders as needed; it appears whole or not at all. The absolute path.

        Raises:
            BlockUsageError: something that is not a file is there, or the path is outside the base folder.
        """
        file = self._resolve_path(path)
        if file.exists() and not file.is_file():
            raise BlockUsageError(f"Path {file} already exists and is not a file.")
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)
        return str(file)

    awrite_path = awaited(write_path)

    @either
    def get_directory(self, from_path: str | None = None, local_path: str | None = None) -> None:
        """Copy a folder of this block (all of it by default) to another (by default the current one).

        Where the folder has a ``.prefectignore``, what that names stays behind.
        """
        source, target = self._resolve_path(from_path), Path(local_path or ".").resolve()
        ignore_file = source / ".prefectignore"
        _copy_folder(source, target, ignore_file if ignore_file.exists() else None)

    aget_directory = awaited(get_directory)

    @either
    def put_directory(
        self, local_path: str | None = None, to_path: str | None = None, ignore_file: str | None = None
    ) -> None:
        """Copy a folder (by default the current one) into this block, but for what ``ignore_file`` names."""
        source, target = Path(local_path or ".").resolve(), self._resolve_path(to_path)
        _copy_folder(source, target, Path(ignore_file) if ignore_file else None)

    aput_directory = awaited(put_directory)


def _copy_folder(source: Path, target: Path, ignore_file: Path | None) -> None:
    """Copy the files of a folder, but for those that an ignore file names; onto itself, nothing."""
    if source == target:
        return
    lines = ignore_file.read_text(encoding="utf-8").splitlines() if ignore_file else []
    for path in list(kept_files(source, lines)):
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.unlink(missing_ok=True)
        shutil.copy2(path, copied, follow_symlinks=False)
