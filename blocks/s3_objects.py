"""Objects of a bucket, one request or one transfer at a time; every error says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from blocks.s3_errors import Place, translated

MIB = 1024 * 1024
WORKERS = 10
UPLOADS_AT_ONCE = 8
PAUSES = (0.1, 0.4, 1.6, 6.4)
"""Seconds before each new attempt after a connection was cut, each made up to half as long again by chance."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """How objects come down: so many requests at once; objects from a size on (bytes) in parts of another."""

    workers: int = WORKERS
    multipart_from: int = 64 * MIB
    part: int = 16 * MIB
    pauses: tuple[float, ...] = PAUSES


@dataclass(frozen=True, slots=True)
class Remote:
    """A bucket and a boto3 client that reaches it; ``extra`` are further arguments of each download."""

    client: Any
    bucket: str
    endpoint: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    transfer: Transfer = Transfer()

    def place(self, key: str = "") -> Place:
        """Words for an object of this bucket."""
        return Place(self.bucket, key, self.endpoint)


def transfer_of(config: Any) -> Transfer:
    """What a boto3 ``TransferConfig`` says of downloads; without one, our own choice."""
    if config is None:
        return Transfer()
    return Transfer(config.max_request_concurrency, config.multipart_threshold, config.multipart_chunksize)


def list_objects(
    remote: Remote,
    prefix: str,
    delimiter: str = "",
    page_size: int | None = None,
    max_items: int | None = None,
    jmespath_query: str | None = None,
) -> list[dict[str, Any]]:
    """The objects whose keys begin with ``prefix``, as boto3 describes them; a query filters each page."""
    with translated(remote.place(prefix)):
        pages = remote.client.get_paginator("list_objects_v2").paginate(
            Bucket=remote.bucket,
            Prefix=prefix,
            Delimiter=delimiter,
            PaginationConfig={"PageSize": page_size, "MaxItems": max_items},
        )
        if jmespath_query:
            pages = pages.search(f"{jmespath_query} | {{Contents: @}}")
        return [found for page in pages for found in (page.get("Contents") or [])]


def head(remote: Remote, key: str) -> dict[str, Any]:
    """Size, ETag and the like of one object."""
    with translated(remote.place(key)):
        found: dict[str, Any] = remote.client.head_object(Bucket=remote.bucket, Key=key)
        return found


def read(remote: Remote, key: str) -> bytes:
    """The contents of an object."""
    stream = BytesIO()
    download_stream(remote, key, stream, {})
    return stream.getvalue()


def download_stream(remote: Remote, key: str, stream: BinaryIO, options: dict[str, Any]) -> None:
    """Write the contents of an object to a stream."""
    with translated(remote.place(key)):
        remote.client.download_fileobj(Bucket=remote.bucket, Key=key, Fileobj=stream, **options)


def upload_stream(remote: Remote, stream: Any, key: str, options: dict[str, Any]) -> None:
    """Make an object of what a stream holds; large ones go in parts."""
    with translated(remote.place(key)):
        remote.client.upload_fileobj(Fileobj=stream, Bucket=remote.bucket, Key=key, **options)


def upload_file(remote: Remote, path: Path, key: str, options: dict[str, Any]) -> None:
    """Make an object of a file; large ones go in parts."""
    with translated(remote.place(key)):
        remote.client.upload_file(Filename=str(path), Bucket=remote.bucket, Key=key, **options)


def upload_files(remote: Remote, files: Iterable[tuple[Path, str]], options: dict[str, Any]) -> int:
    """Upload (file, key) pairs, several at a time; how many there were."""
    with ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="s3") as pool:
        futures = [pool.submit(upload_file, remote, path, key, options) for path, key in files]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return len(futures)


def copy(remote: Remote, key: str, to_bucket: str, to_key: str, options: dict[str, Any]) -> None:
    """Copy an object inside the service, in parts where it is large."""
    source = {"Bucket": remote.bucket, "Key": key}
    with translated(remote.place(key)):
        if options:
            remote.client.copy_object(CopySource=source, Bucket=to_bucket, Key=to_key, **options)
        else:
            remote.client.copy(CopySource=source, Bucket=to_bucket, Key=to_key)


def delete(remote: Remote, key: str) -> None:
    """Remove an object."""
    with translated(remote.place(key)):
        remote.client.delete_object(Bucket=remote.bucket, Key=key)


def stream_between(source: Remote, key: str, target: Remote, to_key: str, options: dict[str, Any]) -> None:
    """Copy an object through this machine, without keeping it here."""
    with translated(source.place(key)):
        body = source.client.get_object(Bucket=source.bucket, Key=key)["Body"]
    with body:
        upload_stream(target, body, to_key, options)
