"""Files below a folder of this machine, and nothing outside it."""

import asyncio
import re
from pathlib import Path

import pytest

from orchestration.sdk.block_model import BlockUsageError
from orchestration.sdk.blocks import LocalFileSystem


@pytest.fixture
def files(tmp_path: Path) -> LocalFileSystem:
    return LocalFileSystem(basepath=tmp_path / "base")  # type: ignore[arg-type]


def test_what_is_written_is_read(files: LocalFileSystem, tmp_path: Path) -> None:
    path = files.write_path("a/b.bin", b"content")
    assert path == str(tmp_path / "base" / "a" / "b.bin")
    assert files.read_path("a/b.bin") == files.read_path(path) == b"content"
    files.write_path("a/b.bin", b"other")
    assert files.read_path("a/b.bin") == b"other"
    assert [each.name for each in (tmp_path / "base" / "a").iterdir()] == ["b.bin"]


@pytest.mark.parametrize("outside", ["../x", "/etc/passwd", "a/../../x", "~/x"])
def test_the_folder_is_not_left(files: LocalFileSystem, outside: str) -> None:
    with pytest.raises(BlockUsageError, match=r"is outside the folder .*/base of this block; use one inside\.$"):
        files.read_path(outside)
    with pytest.raises(BlockUsageError):
        files.write_path(outside, b"")


def test_a_link_out_of_the_folder_is_not_followed(files: LocalFileSystem, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "secret").write_text("s")
    (tmp_path / "base" / "link").symlink_to(tmp_path)
    with pytest.raises(BlockUsageError, match="outside"):
        files.read_path("link/secret")


def test_what_is_no_file_is_told(files: LocalFileSystem, tmp_path: Path) -> None:
    (tmp_path / "base" / "folder").mkdir(parents=True)
    folder = tmp_path / "base" / "folder"
    with pytest.raises(BlockUsageError, match=re.escape(f"Path {folder} is not a file.")):
        files.read_path("folder")
    with pytest.raises(BlockUsageError, match=re.escape(f"Path {folder} already exists and is not a file.")):
        files.write_path("folder", b"")
    with pytest.raises(BlockUsageError, match=r"nothing does not exist\.$"):
        files.read_path("nothing")


def test_without_a_folder_the_current_one_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    LocalFileSystem().write_path("x", b"x")
    assert (tmp_path / "x").read_bytes() == b"x"


def test_folders_are_copied_both_ways(files: LocalFileSystem, tmp_path: Path) -> None:
    for name in ("up/a.txt", "up/sub/b.txt", "up/c.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "ignore").write_text("*.log\n")
    files.put_directory(str(tmp_path / "up"), "whole")
    files.put_directory(str(tmp_path / "up"), "part", str(tmp_path / "ignore"))
    files.get_directory("part", str(tmp_path / "down"))
    assert {path.name for path in (tmp_path / "base" / "whole").rglob("*.*")} == {"a.txt", "b.txt", "c.log"}
    assert {path.name for path in (tmp_path / "down").rglob("*.*")} == {"a.txt", "b.txt"}
    (tmp_path / "base" / ".prefectignore").write_text("whole/\n")
    files.get_directory(local_path=str(tmp_path / "rest"))
    assert not (tmp_path / "rest" / "whole").exists()
    files.get_directory(local_path=str(tmp_path / "base"))  # onto itself: nothing to do
    files.put_directory(str(tmp_path / "base"))
    assert files.read_path("part/a.txt") == b"up/a.txt"


def test_links_are_copied_as_links(files: LocalFileSystem, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "loop").symlink_to(tmp_path)
    for _ in range(2):
        files.put_directory(str(tmp_path / "up"))
    assert (tmp_path / "base" / "loop").readlink() == tmp_path


def test_async_code_may_use_every_twin(files: LocalFileSystem, tmp_path: Path) -> None:
    async def main() -> bytes:
        await files.awrite_path("a", b"a")
        await files.aget_directory(local_path=str(tmp_path / "got"))
        await files.aput_directory(str(tmp_path / "got"), "put")
        return await files.aread_path("put/a")

    assert asyncio.run(main()) == b"a"
