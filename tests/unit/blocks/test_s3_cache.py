"""What is known of downloaded files, and what makes it out of date."""

import os
from pathlib import Path

import pytest

from blocks.s3_cache import cache_path, changed, note, read_known
from blocks.s3_paths import Download, RemoteObject


@pytest.fixture
def download(tmp_path: Path) -> Download:
    target = tmp_path / "a.bin"
    target.write_bytes(b"12345")
    return Download(RemoteObject("data/a.bin", 5, '"v1"'), target)


def test_a_file_that_was_noted_is_unchanged(tmp_path: Path, download: Download) -> None:
    path = tmp_path / "notes" / "n.json"
    assert changed([download], read_known(path)) == [download]
    note(path, [download], {})
    assert changed([download], read_known(path)) == []


def test_another_version_or_another_hand_makes_it_changed(tmp_path: Path, download: Download) -> None:
    path = tmp_path / "n.json"
    note(path, [download], {})
    known = read_known(path)
    newer = Download(RemoteObject("data/a.bin", 5, '"v2"'), download.target)
    assert changed([newer], known) == [newer]
    longer = Download(RemoteObject("data/a.bin", 6, '"v1"'), download.target)
    assert changed([longer], known) == [longer]
    os.utime(download.target, ns=(1, 1))
    assert changed([download], known) == [download]
    download.target.unlink()
    assert changed([download], known) == [download]
    note(path, [download], known)
    assert read_known(path) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_notes_that_cannot_be_read_are_no_notes(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "n.json").write_bytes(content)
    assert read_known(tmp_path / "n.json") == {}


def test_what_is_known_already_is_not_written_again(tmp_path: Path, download: Download) -> None:
    path = tmp_path / "n.json"
    note(path, [download], {})
    known = read_known(path)
    path.unlink()
    note(path, [download], known)
    assert not path.exists()


def test_each_folder_and_origin_has_its_notes(tmp_path: Path) -> None:
    paths = {cache_path(tmp_path, Path(folder), origin) for folder in ("/a", "/b") for origin in ("s3://x/", "s3://y/")}
    assert len(paths) == 4
