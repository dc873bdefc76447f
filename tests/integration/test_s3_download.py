"""Folders of a real bucket come down: quickly, once, whole, and past a network that fails."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig

from blocks import s3_objects
from blocks.aws import S3Bucket
from blocks.s3_download import download_folder
from blocks.s3_errors import (
    BucketNotFound,
    ObjectChanged,
    S3ConnectionError,
    S3CredentialsError,
    S3ObjectNotFound,
    UnsafeKeyError,
)
from blocks.s3_objects import MIB, Transfer
from orchestration.sdk.context import test_harness
from orchestration.sdk.flows import flow
from tests.support.cutting_proxy import cutting_proxy
from tests.support.s3_server import bucket_at, forget_buckets, make_bucket, rclone_server, s3_server

OBJECTS = {
    "data/a.txt": b"a" * 1000, "data/sub/b.txt": b"b", "data/empty": b"", "data2/no.txt": b"no", "data/sub/": b"",
}  # fmt: skip
PATIENT, HASTY = Transfer(pauses=(0.0,) * 5), Transfer(pauses=(0.0,))
FILES = {"a.txt": b"a" * 1000, "sub/b.txt": b"b", "empty": b""}


@pytest.fixture(autouse=True)
def _own_store() -> Iterator[None]:
    with test_harness():
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def url(server: str) -> str:
    forget_buckets(server)
    return server


def files_in(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


class Meter:
    """Counts the bytes that a download reports."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.Lock()

    def __call__(self, count: int) -> None:
        with self._lock:
            self.total += count


def test_a_folder_comes_down_without_its_neighbours(url: str, tmp_path: Path) -> None:
    bucket = make_bucket(url, OBJECTS)
    assert bucket.download_folder_to_path("data", tmp_path / "new" / "folder") == tmp_path / "new" / "folder"
    assert files_in(tmp_path / "new" / "folder") == FILES


def test_the_buckets_folder_counts(url: str, tmp_path: Path) -> None:
    make_bucket(url, {f"base/{key}": content for key, content in OBJECTS.items()})
    bucket_at(url, folder="base").download_folder_to_path("data/", str(tmp_path))
    assert files_in(tmp_path) == FILES


def test_a_run_tells_what_came_down(url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bucket = make_bucket(url, OBJECTS)

    @flow
    def downloads() -> None:
        bucket.download_folder_to_path("data", tmp_path)
        (tmp_path / "a.txt").unlink()
        bucket.download_folder_to_path("data", tmp_path)

    downloads()
    told = capfd.readouterr().err
    assert f"Downloaded from s3://months/data at {url} to {tmp_path}: 3 objects, 0.0 MB." in told
    assert f"to {tmp_path}: 1 objects, 0.0 MB; 2 unchanged." in told


def test_unchanged_files_are_left_alone(url: str, tmp_path: Path) -> None:
    bucket = make_bucket(url, OBJECTS)
    meter = Meter()
    bucket.download_folder_to_path("data", tmp_path, Callback=meter)
    assert meter.total == 1001
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    bucket.download_folder_to_path("data", tmp_path, Callback=meter)
    assert meter.total == 1001
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    bucket.write_path("data/sub/b.txt", b"B")
    (tmp_path / "a.txt").write_bytes(b"tampered")
    (tmp_path / "empty").unlink()
    bucket.download_folder_to_path("data", tmp_path, Callback=meter)
    assert meter.total == 2002
    assert files_in(tmp_path) == {**FILES, "sub/b.txt": b"B"}


def test_a_large_object_comes_in_parts(url: str, tmp_path: Path) -> None:
    content = os.urandom(3 * MIB + 7)
    bucket = make_bucket(url, {"data/large": content, "data/small": b"s"})
    meter = Meter()
    parts = TransferConfig(multipart_threshold=MIB, multipart_chunksize=MIB)
    bucket.download_folder_to_path("data", tmp_path, Callback=meter, Config=parts)
    assert files_in(tmp_path) == {"large": content, "small": b"s"}
    assert meter.total == len(content) + 1


def test_a_cut_connection_is_taken_up_where_it_broke(url: str, tmp_path: Path) -> None:
    content = {f"data/{name}": os.urandom(3 * MIB) for name in "abc"}
    make_bucket(url, content)
    meter = Meter()
    with cutting_proxy(url, times=4, after=MIB + 5000) as proxy:
        remote = s3_objects.Remote(bucket_at(proxy.url).credentials.get_s3_client(), "months", transfer=PATIENT)
        download_folder(remote, "data", tmp_path / "to", tmp_path / "notes", meter)
        assert proxy.done == 4
    assert files_in(tmp_path / "to") == {key.removeprefix("data/"): data for key, data in content.items()}
    assert meter.total == 9 * MIB


def test_a_connection_that_is_always_cut_is_told_and_leaves_no_trace(url: str, tmp_path: Path) -> None:
    make_bucket(url, {"data/a": os.urandom(3 * MIB), "data/b": b"b"})
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a").write_bytes(b"old")
    with cutting_proxy(url, times=1000, after=100_000) as proxy:
        client = bucket_at(proxy.url).credentials.get_s3_client()
        remote = s3_objects.Remote(client, "months", proxy.url, transfer=HASTY)
        with pytest.raises(S3ConnectionError, match=r"^The connection to s3://months/data/a at .* did not help"):
            download_folder(remote, "data", tmp_path / "to", tmp_path / "notes")
    left = files_in(tmp_path / "to")
    assert left.pop("a") == b"old"
    assert left in ({}, {"b": b"b"})


def test_an_endpoint_that_is_not_there_is_told(tmp_path: Path) -> None:
    nobody = bucket_at("http://127.0.0.1:9", retries={"total_max_attempts": 1})
    with pytest.raises(S3ConnectionError, match=r"check the network and the block's endpoint_url, then run again\.$"):
        nobody.download_folder_to_path("data", tmp_path)


def test_a_missing_bucket_folder_or_object_is_told(url: str, tmp_path: Path) -> None:
    bucket = make_bucket(url, OBJECTS)
    with pytest.raises(S3ObjectNotFound) as caught:
        bucket.download_folder_to_path("dat", tmp_path)
    assert str(caught.value) == (
        f"Nothing lies in s3://months/dat/ at {url}; check the folder's name and the block's bucket_folder."
    )
    with pytest.raises(BucketNotFound, match=r"^There is no bucket 'other' at http://"):
        bucket_at(url, "other").download_folder_to_path("data", tmp_path)
    with pytest.raises(S3ObjectNotFound, match=r"^There is no object s3://months/data/nothing at http://"):
        bucket.download_object_to_path("data/nothing", tmp_path / "x")
    assert files_in(tmp_path) == {}


def test_wrong_credentials_are_told(tmp_path: Path) -> None:
    (tmp_path / "server" / "months").mkdir(parents=True)
    with rclone_server(tmp_path / "server") as url:
        wrong = bucket_at(url)
        assert wrong.credentials.aws_secret_access_key is not None  # type: ignore[union-attr]
        credentials = wrong.credentials.model_copy(update={"aws_secret_access_key": "wrong"})
        stranger = wrong.credentials.model_copy(update={"aws_access_key_id": "nobody"})
        with pytest.raises(S3CredentialsError, match="the secret access key does not belong to the access key id"):
            S3Bucket(
                bucket_name="months", credentials=type(wrong.credentials).model_validate(credentials.model_dump())
            ).list_objects()
        with pytest.raises(S3CredentialsError, match="the access key id is not known there"):
            S3Bucket(bucket_name="months", credentials=stranger).list_objects()


def test_no_credentials_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(S3CredentialsError, match="no credentials were given; check the block's credentials"):
        S3Bucket(bucket_name="months").list_objects()


def test_a_key_that_tries_to_leave_stops_everything(url: str, tmp_path: Path) -> None:
    bucket = make_bucket(url, {"data/a": b"a", "data/../../evil": b"e"})
    with pytest.raises(UnsafeKeyError, match=r"'data/\.\./\.\./evil'"):
        bucket.download_folder_to_path("data", tmp_path / "to")
    assert files_in(tmp_path) == {}


def test_an_object_that_is_replaced_meanwhile_is_told(url: str, tmp_path: Path) -> None:
    bucket = make_bucket(url, {"data/large": b"1" * MIB})
    parts = TransferConfig(multipart_threshold=MIB, multipart_chunksize=MIB // 4, max_concurrency=1)
    replaced: list[int] = []

    def replace(count: int) -> None:
        if not replaced:
            replaced.append(count)
            bucket.write_path("data/large", b"2" * MIB)

    with pytest.raises(ObjectChanged, match="was replaced while it was downloaded; run again to get the new one"):
        bucket.download_folder_to_path("data", tmp_path, Callback=replace, Config=parts)
    assert files_in(tmp_path) == {}


STARTS_A_DOWNLOAD = """
import itertools, os, sys
from boto3.s3.transfer import TransferConfig
from tests.support.s3_server import bucket_at
calls = itertools.count(1)

def pause_after_three(count):
    os.write(1, b"more\\n")
    if next(calls) >= 3:
        os.read(0, 1)

bucket = bucket_at(sys.argv[1])
two_at_once = TransferConfig(max_concurrency=2)
bucket.download_folder_to_path("data", sys.argv[2], Callback=pause_after_three, Config=two_at_once)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_download_that_is_stopped_leaves_nothing_half(url: str, tmp_path: Path, number: signal.Signals) -> None:
    content = {f"data/{index}": os.urandom(4 * MIB) for index in range(12)}
    bucket = make_bucket(url, content)
    to = tmp_path / "to"
    command = [sys.executable, "-c", STARTS_A_DOWNLOAD, url, str(to)]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(3)] == [b"more\n"] * 3
        child.send_signal(number)
        child.stdin.close()
    assert child.returncode != 0
    whole = {key.removeprefix("data/"): data for key, data in content.items()}
    visible = {name: data for name, data in files_in(to).items() if not name.endswith(".part")}
    assert visible.items() <= whole.items()
    if number is signal.SIGINT:
        assert list(to.rglob("*.part")) == []
    bucket.download_folder_to_path("data", to)
    assert files_in(to) == whole
