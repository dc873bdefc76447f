"""Amazon S3 and its kin: buckets whose folders come and go, and the credentials that open them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import Field

from blocks import s3_objects as s3
from blocks.aws_credentials import DOCUMENTATION, LOGO, AwsCredentials, ClientType, MinIOCredentials
from blocks.aws_parameters import AssumeRoleParameters, AwsClientParameters
from blocks.s3_download import download_files, download_folder
from blocks.s3_paths import Download, RemoteObject, folder_prefix, join_key, keyed_files
from orchestration.sdk.awaiting import awaited, either
from orchestration.sdk.blocks import FILES_AND_FOLDERS, Block
from orchestration.sdk.context import current_session

__all__ = [
    "AssumeRoleParameters",
    "AwsClientParameters",
    "AwsCredentials",
    "ClientType",
    "MinIOCredentials",
    "S3Bucket",
]


class S3Bucket(Block):
    """
    Block used to store data using AWS S3 or S3-compatible object storage like MinIO.
    """

    _block_type_name = "S3 Bucket"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION
    _block_schema_capabilities = FILES_AND_FOLDERS

    bucket_name: str = Field(default=..., description="Name of your bucket.")
    credentials: MinIOCredentials | AwsCredentials = Field(
        default_factory=AwsCredentials, description="A block containing your credentials to AWS or MinIO."
    )
    bucket_folder: str = Field(
        default="",
        description=("A default path to a folder within the S3 bucket to use for reading and writing objects."),
    )

    @property
    def basepath(self) -> str:
        """The folder in the bucket, by the name that storage blocks have for it."""
        return self.bucket_folder

    @either
    def list_objects(
        self,
        folder: str = "",
        delimiter: str = "",
        page_size: int | None = None,
        max_items: int | None = None,
        jmespath_query: str | None = None,
    ) -> list[dict[str, Any]]:
        """The objects whose keys begin with ``bucket_folder/folder``, as boto3 describes them."""
        return s3.list_objects(self._remote(), self._key(folder), delimiter, page_size, max_items, jmespath_query)

    alist_objects = awaited(list_objects)

    @either
    def download_folder_to_path(
        self, from_folder: str, to_folder: str | Path | None = None, **download_kwargs: Any
    ) -> Path:
        """Download the objects in a folder of the bucket, several at a time, large ones in parts.

        Objects whose files are there already, unchanged, are left alone. A file appears whole or not at all.

        Args:
            from_folder: below ``bucket_folder``.
            to_folder: by default the current folder.
            download_kwargs: as boto3 has them: ``ExtraArgs``, ``Callback`` (told the bytes as they arrive), ``Config``.

        Raises:
            S3Error: one of its kinds, see ``blocks.s3_errors``.
        """
        return self._download(self._key(from_folder), to_folder, download_kwargs)

    adownload_folder_to_path = awaited(download_folder_to_path)

    @either
    def download_object_to_path(self, from_path: str, to_path: str | Path | None, **download_kwargs: Any) -> Path:
        """Download one object to a file, by default of its own name in the current folder."""
        key, target = self._key(from_path), Path(to_path or Path(from_path).name).absolute()
        remote = self._remote(download_kwargs)
        found = s3.head(remote, key)
        wanted = Download(RemoteObject(key, found["ContentLength"], found["ETag"]), target)
        target.parent.mkdir(parents=True, exist_ok=True)
        download_files(remote, [wanted], target.parent, download_kwargs.get("Callback"), [])
        return target

    adownload_object_to_path = awaited(download_object_to_path)

    @either
    def download_object_to_file_object(
        self, from_path: str, to_file_object: BinaryIO, **download_kwargs: Any
    ) -> BinaryIO:
        """Write the contents of one object to an open file; that file."""
        s3.download_stream(self._remote(), self._key(from_path), to_file_object, download_kwargs)
        return to_file_object

    adownload_object_to_file_object = awaited(download_object_to_file_object)

    @either
    def upload_from_path(self, from_path: str | Path, to_path: str | None = None, **upload_kwargs: Any) -> str:
        """Upload a file, by default under its own name; its key."""
        key = self._key(to_path or Path(from_path).name)
        s3.upload_file(self._remote(), Path(from_path), key, upload_kwargs)
        return key

    aupload_from_path = awaited(upload_from_path)

    @either
    def upload_from_file_object(self, from_file_object: BinaryIO, to_path: str, **upload_kwargs: Any) -> str:
        """Upload what an open file holds; its key."""
        key = self._key(to_path)
        s3.upload_stream(self._remote(), from_file_object, key, upload_kwargs)
        return key

    aupload_from_file_object = awaited(upload_from_file_object)

    @either
    def upload_from_folder(
        self, from_folder: str | Path, to_folder: str | None = None, **upload_kwargs: Any
    ) -> str | None:
        """Upload the files in a folder, several at a time; ``to_folder``."""
        root, prefix = Path(from_folder), self._key(to_folder or "")
        s3.upload_files(self._remote(), keyed_files(root, prefix), upload_kwargs)
        return to_folder

    aupload_from_folder = awaited(upload_from_folder)

    @either
    def copy_object(
        self,
        from_path: str | Path,
        to_path: str | Path,
        to_bucket: S3Bucket | str | None = None,
        **copy_kwargs: Any,
    ) -> str:
        """Copy an object inside S3, to another bucket if one is named; the new key."""
        bucket, key = self._destination(to_path, to_bucket)
        s3.copy(self._remote(), self._resolve_path(from_path), bucket, key, copy_kwargs)
        return key

    acopy_object = awaited(copy_object)

    @either
    def move_object(self, from_path: str | Path, to_path: str | Path, to_bucket: S3Bucket | str | None = None) -> str:
        """Copy an object inside S3 and then remove it; the new key. Onto itself, it stays."""
        bucket, key = self._destination(to_path, to_bucket)
        source = self._resolve_path(from_path)
        if (bucket, key) != (self.bucket_name, source):
            s3.copy(self._remote(), source, bucket, key, {})
            s3.delete(self._remote(), source)
        return key

    amove_object = awaited(move_object)

    @either
    def stream_from(self, bucket: S3Bucket, from_path: str, to_path: str | None = None, **upload_kwargs: Any) -> str:
        """Copy an object of another bucket through this machine, for credentials that each reach one; its key."""
        key = self._key(to_path or Path(from_path).name)
        s3.stream_between(bucket._remote(), bucket._key(from_path), self._remote(), key, upload_kwargs)
        return key

    astream_from = awaited(stream_from)

    @either
    def read_path(self, path: str) -> bytes:
        """The contents of an object."""
        return s3.read(self._remote(), self._resolve_path(path))

    aread_path = awaited(read_path)

    @either
    def write_path(self, path: str, content: bytes) -> str:
        """Make an object of some bytes; its key."""
        key = self._resolve_path(path)
        s3.upload_stream(self._remote(), BytesIO(content), key, {})
        return key

    awrite_path = awaited(write_path)

    @either
    def get_directory(self, from_path: str | None = None, local_path: str | None = None) -> None:
        """Download a folder, named by its whole key (by default ``bucket_folder``)."""
        self._download(self.bucket_folder if from_path is None else from_path, local_path, {})

    aget_directory = awaited(get_directory)

    @either
    def put_directory(
        self, local_path: str | None = None, to_path: str | None = None, ignore_file: str | None = None
    ) -> int:
        """Upload a folder; how many files it held. ``ignore_file`` names files to leave out, as git does."""
        root = Path(local_path or ".").expanduser()
        files = keyed_files(root, self._resolve_path(to_path or ""), ignore_file)
        return s3.upload_files(self._remote(), files, {})

    aput_directory = awaited(put_directory)

    def _download(self, folder: str, target: str | Path | None, options: dict[str, Any]) -> Path:
        path = Path(target or ".").expanduser().absolute()
        notes = current_session().settings.home / "s3"
        remote = self._remote(options)
        outcome = download_folder(remote, folder, path, notes, options.get("Callback"))
        self.logger.info("Downloaded from %s to %s: %s.", remote.place(folder), path, outcome)
        return path

    def _remote(self, options: dict[str, Any] | None = None) -> s3.Remote:
        given = options or {}
        return s3.Remote(
            self.credentials.get_s3_client(),
            self.bucket_name,
            self.credentials.aws_client_parameters.endpoint_url,
            given.get("ExtraArgs") or {},
            s3.transfer_of(given.get("Config")),
        )

    def _key(self, path: str) -> str:
        return join_key(self.bucket_folder, path)

    def _resolve_path(self, path: str | Path) -> str:
        """A key that is in ``bucket_folder``, whether or not the path says so."""
        text = Path(path).as_posix() if path else ""
        inside = text == self.bucket_folder or text.startswith(folder_prefix(self.bucket_folder) or "/")
        return text if self.bucket_folder and inside else self._key(text)

    def _destination(self, path: str | Path, bucket: S3Bucket | str | None) -> tuple[str, str]:
        if isinstance(bucket, str):
            return bucket, Path(path).as_posix()
        target = bucket or self
        return target.bucket_name, target._resolve_path(path)
