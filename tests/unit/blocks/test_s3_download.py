"""Files appear whole or not at all, and what a killed process left is cleared away."""

import fcntl
import io
import os
from pathlib import Path

import pytest
from botocore.exceptions import FlexibleChecksumError

from blocks.s3_download import PartialFile, check_room, download_all, parts_of, remove_leftovers, write_at
from blocks.s3_errors import DiskFullError, Place, explained
from blocks.s3_objects import Remote, Transfer
from blocks.s3_paths import Download, RemoteObject


def download(folder: Path, size: int = 4) -> Download:
    return Download(RemoteObject("data/a.bin", size, '"e"'), folder / "a.bin")


@pytest.mark.parametrize(
    ("size", "spans"),
    [
        (0, [(0, 0)]),
        (1, [(0, 1)]),
        (99, [(0, 99)]),
        (100, [(0, 40), (40, 80), (80, 100)]),
        (121, [(0, 40), (40, 80), (80, 120), (120, 121)]),
    ],
)
def test_a_large_object_comes_in_parts_and_a_small_one_whole(
    tmp_path: Path, size: int, spans: list[tuple[int, int]]
) -> None:
    parts = parts_of(download(tmp_path, size), [], Transfer(multipart_from=100, part=40))
    assert [(part.start, part.end) for part in parts] == spans


def test_a_file_has_its_name_once_it_is_whole(tmp_path: Path) -> None:
    finished: list[Download] = []
    wanted = download(tmp_path)
    partial = PartialFile(wanted, 2, finished)
    write_at(partial.descriptor(), b"ab", 0)
    partial.part_done()
    assert not wanted.target.exists()
    write_at(partial.descriptor(), b"cd", 2)
    partial.part_done()
    assert wanted.target.read_bytes() == b"abcd"
    partial.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert finished == [wanted]


def test_what_is_discarded_leaves_the_old_file(tmp_path: Path) -> None:
    wanted = download(tmp_path)
    wanted.target.write_text("old")
    partial = PartialFile(wanted, 1, [])
    write_at(partial.descriptor(), b"ab", 0)
    partial.discard()
    partial.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert wanted.target.read_text() == "old"


def test_leftovers_of_the_dead_go_and_files_of_the_living_stay(tmp_path: Path) -> None:
    target = tmp_path / "a[1].bin"
    dead, living, other = tmp_path / ".a[1].bin.00.part", tmp_path / ".a[1].bin.11.part", tmp_path / ".b.bin.22.part"
    for path in (dead, living, other):
        path.write_text("x")
    descriptor = os.open(living, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        remove_leftovers(target)
    finally:
        os.close(descriptor)
    assert sorted(tmp_path.iterdir()) == [living, other]


class Answer(io.BytesIO):
    """The body of an answer that, at its end, may turn out not to fit its checksum."""

    def __init__(self, content: bytes, is_right: bool) -> None:
        super().__init__(content)
        self.is_right = is_right

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        if not piece and not self.is_right:
            raise FlexibleChecksumError(error_msg="crc32 did not match")
        return piece


class Client:
    """An S3 client whose first answer is spoilt on its way."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def get_object(self, **arguments: str) -> dict[str, Answer]:
        self.asked.append(arguments)
        return {"Body": Answer(b"good", True) if len(self.asked) > 1 else Answer(b"bad!", False)}


def test_bytes_that_do_not_fit_their_checksum_are_fetched_anew(tmp_path: Path) -> None:
    wanted, counts, finished = download(tmp_path), list[int](), list[Download]()
    remote = Remote(Client(), "months", transfer=Transfer(pauses=(0.0,)))
    download_all(remote, [wanted], counts.append, finished)
    assert wanted.target.read_bytes() == b"good"
    assert counts == [4, -4, 4]
    assert remote.client.asked == [{"Bucket": "months", "Key": "data/a.bin", "IfMatch": '"e"'}] * 2


def test_what_cannot_fit_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match=r"^1,000,000,000 MB are to be downloaded to .* Nothing was downloaded\.$"):
        check_room([download(tmp_path, 10**15)], tmp_path)
    check_room([download(tmp_path, 10)], tmp_path)


def test_a_full_disk_is_told() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="No space left") as caught:
            write_at(descriptor, b"x", 0)
    finally:
        os.close(descriptor)
    assert isinstance(explained(caught.value, Place("b", "k")), DiskFullError)
