"""Every method of the bucket, on two makes of S3 server, in sync and in async code."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.aws import S3Bucket
from blocks.s3_errors import BucketNotFound
from orchestration.sdk.blocks import Block
from orchestration.sdk.context import test_harness
from tests.support.s3_server import bucket_at, forget_buckets, make_bucket, rclone_server, s3_server


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with rclone_server(tmp_path_factory.mktemp("buckets")) as url:
        yield url


@pytest.fixture(params=["moto", "rclone"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    url: str = request.getfixturevalue(request.param)
    if request.param == "moto":
        forget_buckets(url)
    with test_harness():
        yield url


@pytest.fixture
def bucket(url: str, request: pytest.FixtureRequest) -> S3Bucket:
    """An empty bucket with a folder of its own."""
    name = f"b{abs(hash(request.node.name))}"
    make_bucket(url, {}, name)
    return bucket_at(url, name, "base")


def keys(bucket: S3Bucket) -> list[str]:
    whole = bucket.model_copy(update={"bucket_folder": ""})
    return sorted(each["Key"] for each in whole.list_objects())


def test_bytes_are_written_and_read(bucket: S3Bucket) -> None:
    assert bucket.write_path("notes/a.txt", b"hello") == "base/notes/a.txt"
    assert bucket.write_path("base/notes/b.txt", b"again") == "base/notes/b.txt"
    assert bucket.read_path("notes/a.txt") == bucket.read_path("base/notes/a.txt") == b"hello"
    assert keys(bucket) == ["base/notes/a.txt", "base/notes/b.txt"]


def test_objects_are_listed_by_folder_and_query(bucket: S3Bucket) -> None:
    for name in ("a/1", "a/22", "b/333"):
        bucket.write_path(name, name.encode())
    assert [each["Key"] for each in bucket.list_objects("a")] == ["base/a/1", "base/a/22"]
    assert [each["Key"] for each in bucket.list_objects(page_size=1, max_items=2)] == ["base/a/1", "base/a/22"]
    large = bucket.list_objects(jmespath_query="Contents[?Size > `3`][]")
    assert [each["Key"] for each in large] == ["base/a/22", "base/b/333"]
    assert bucket.list_objects("nothing") == []


def test_single_objects_go_both_ways(bucket: S3Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "up.txt").write_bytes(b"from a file")
    assert bucket.upload_from_path(tmp_path / "up.txt") == "base/up.txt"
    assert bucket.upload_from_file_object(io.BytesIO(b"from a stream"), "in/stream") == "base/in/stream"
    assert bucket.download_object_to_path("up.txt", tmp_path / "new" / "down.txt") == tmp_path / "new" / "down.txt"
    assert (tmp_path / "new" / "down.txt").read_bytes() == b"from a file"
    stream = io.BytesIO()
    assert bucket.download_object_to_file_object("in/stream", stream) is stream
    assert stream.getvalue() == b"from a stream"
    monkeypatch.chdir(tmp_path)
    assert bucket.download_object_to_path("in/stream", None) == tmp_path / "stream"


def test_folders_go_both_ways(bucket: S3Bucket, tmp_path: Path) -> None:
    tree = {"a.txt": b"a", "sub/b.txt": b"b", "sub/c.log": b"c"}
    for name, content in tree.items():
        path = tmp_path / "up" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "ignore").write_text("*.log\n")
    assert bucket.upload_from_folder(tmp_path / "up", "whole") == "whole"
    assert bucket.put_directory(str(tmp_path / "up"), "part", str(tmp_path / "ignore")) == 2
    assert keys(bucket) == [
        "base/part/a.txt", "base/part/sub/b.txt", "base/whole/a.txt", "base/whole/sub/b.txt", "base/whole/sub/c.log",
    ]  # fmt: skip
    bucket.get_directory("base/whole", str(tmp_path / "down"))
    found = {path.relative_to(tmp_path / "down").as_posix() for path in (tmp_path / "down").rglob("*.*")}
    assert found == set(tree)
    bucket.get_directory(local_path=str(tmp_path / "all"))
    assert (tmp_path / "all" / "part" / "a.txt").read_bytes() == b"a"


def test_objects_are_copied_and_moved(bucket: S3Bucket, url: str) -> None:
    other = make_bucket(url, {}, f"{bucket.bucket_name}x")
    bucket.write_path("a", b"content")
    assert bucket.copy_object("a", "b") == "base/b"
    assert bucket.copy_object("a", "c", to_bucket=other) == "c"
    assert bucket.copy_object("a", "d", to_bucket=other.bucket_name) == "d"
    assert bucket.move_object("b", "moved/b") == "base/moved/b"
    assert bucket.move_object("moved/b", "e", to_bucket=other) == "e"
    assert (keys(bucket), keys(other)) == (["base/a"], ["c", "d", "e"])
    assert other.read_path("e") == b"content"


def test_uploads_to_a_bucket_that_is_not_there_are_told(bucket: S3Bucket, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    missing = bucket.model_copy(update={"bucket_name": "no-such-bucket"})
    for upload in (missing.upload_from_folder, missing.upload_from_path):
        with pytest.raises(BucketNotFound, match="There is no bucket 'no-such-bucket'"):
            upload(tmp_path if upload == missing.upload_from_folder else tmp_path / "a")
    with pytest.raises(BucketNotFound):
        missing.write_path("a", b"a")


def test_copies_take_further_arguments(bucket: S3Bucket) -> None:
    bucket.write_path("a", b"content")
    bucket.copy_object("a", "b", MetadataDirective="REPLACE", ContentType="text/plain")
    assert bucket.read_path("b") == b"content"


def test_an_object_moved_onto_itself_stays(bucket: S3Bucket) -> None:
    bucket.write_path("a", b"content")
    assert bucket.move_object("a", "base/a") == "base/a"
    assert bucket.read_path("a") == b"content"


def test_an_object_streams_from_one_bucket_to_another(bucket: S3Bucket, url: str) -> None:
    source = make_bucket(url, {"from/here.bin": b"streamed"}, f"{bucket.bucket_name}y")
    assert bucket.stream_from(source, "from/here.bin") == "base/here.bin"
    assert bucket.stream_from(source, "from/here.bin", "to/there.bin") == "base/to/there.bin"
    assert bucket.read_path("to/there.bin") == b"streamed"


def test_a_saved_bucket_works_when_it_is_loaded(bucket: S3Bucket, tmp_path: Path) -> None:
    bucket.credentials.save("the-key")
    bucket.save("the-bucket")
    bucket.write_path("data/x", b"x")
    loaded = Block.load("s3-bucket/the-bucket")
    assert isinstance(loaded, S3Bucket)
    assert loaded.credentials == bucket.credentials
    loaded.download_folder_to_path("data", tmp_path)
    assert (tmp_path / "x").read_bytes() == b"x"
    assert loaded.basepath == "base"


def test_async_code_may_use_every_twin(bucket: S3Bucket, tmp_path: Path) -> None:
    async def main() -> None:
        await bucket.awrite_path("data/a", b"a")
        assert await bucket.aread_path("data/a") == b"a"
        await bucket.aupload_from_file_object(io.BytesIO(b"b"), "data/b")
        await bucket.adownload_folder_to_path("data", tmp_path / "down")
        await bucket.adownload_object_to_path("data/a", tmp_path / "one")
        await bucket.adownload_object_to_file_object("data/a", io.BytesIO())
        await bucket.aupload_from_path(tmp_path / "one", "data/c")
        await bucket.aupload_from_folder(tmp_path / "down", "again")
        await bucket.aput_directory(str(tmp_path / "down"), "put")
        await bucket.aget_directory("base/put", str(tmp_path / "got"))
        await bucket.acopy_object("data/a", "data/d")
        await bucket.amove_object("data/d", "data/e")
        await bucket.astream_from(bucket, "data/a", "data/f")
        listed = await bucket.alist_objects("data")
        assert [each["Key"] for each in listed] == [f"base/data/{name}" for name in "abcef"]
        plain = await bucket.list_objects("again")  # type: ignore[misc]
        assert len(plain) == 2

    asyncio.run(main())
    assert (tmp_path / "got" / "b").read_bytes() == b"b"
