"""Which files of a folder count, when a file in git's ignore format says which do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pathspec import GitIgnoreSpec, PathSpec


def kept_files(folder: Path, lines: Iterable[str] = ()) -> Iterator[Path]:
    """The files below a folder that the rules do not leave out, sorted; ignored folders and links are not entered."""
    given = list(lines)
    of_files, of_folders = GitIgnoreSpec.from_lines(given), PathSpec.from_lines("gitignore", given)
    yield from _kept(folder, "", (of_files.match_file, of_folders.match_file))


def _kept(folder: Path, prefix: str, ignores: tuple[Callable[[str], bool], Callable[[str], bool]]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        is_folder = path.is_dir() and not path.is_symlink()
        relative = f"{prefix}{path.name}{'/' * is_folder}"
        if ignores[is_folder](relative):
            continue
        if is_folder:
            yield from _kept(path, relative, ignores)
        else:
            yield path
