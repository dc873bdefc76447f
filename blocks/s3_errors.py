"""What can go wrong between here and a bucket, each with the sentence that says what to do.

::

    S3Error
    ├── S3CredentialsError       the key is missing, wrong, expired, or may not do this
    ├── BucketNotFound           no such bucket at this endpoint
    ├── S3ObjectNotFound         no such object, or nothing below a folder
    ├── S3ConnectionError        the endpoint cannot be reached, or went away while it sent
    ├── ObjectChanged            an object was replaced while it was read
    ├── UnsafeKeyError           a key that would be written outside the target folder
    └── DiskFullError            no room for what is to be downloaded
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from orchestration.domain.errors import OrchestrationError

_CREDENTIALS = {
    "InvalidAccessKeyId": "the access key id is not known there",
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key id",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token is not valid",
    "AccessDenied": "the credentials may not do this",
    "AllAccessDisabled": "the account is disabled",
    "403": "the credentials are wrong or may not do this",
    "Forbidden": "the credentials are wrong or may not do this",
    "NoCredentialsError": "no credentials were given",
    "PartialCredentialsError": "only one half of the credentials was given",
    "ProfileNotFound": "the profile does not exist",
}
_INTERRUPTED = {
    "ConnectionClosedError", "FlexibleChecksumError", "IncompleteReadError", "ProtocolError", "ReadTimeoutError",
    "ResponseStreamingError",
}  # fmt: skip
_UNREACHABLE = _INTERRUPTED | {
    "ConnectTimeoutError", "ConnectionError", "EndpointConnectionError", "HTTPClientError", "InvalidEndpoint",
    "ProxyConnectionError", "SSLError",
}  # fmt: skip


class S3Error(OrchestrationError):
    """Something went wrong between here and a bucket."""

    is_users_mistake = True


class S3CredentialsError(S3Error):
    """The credentials are missing, wrong or expired, or may not do this."""


class BucketNotFound(S3Error):
    """There is no such bucket at this endpoint."""


class S3ObjectNotFound(S3Error, FileNotFoundError):
    """There is no such object, or nothing below a folder."""


class S3ConnectionError(S3Error):
    """The endpoint cannot be reached, or the connection was cut."""


class ObjectChanged(S3Error):
    """An object was replaced while it was read."""


class UnsafeKeyError(S3Error):
    """A key would be written outside the folder that was named."""


class DiskFullError(S3Error):
    """There is no room on the disk."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was tried: for the words of an error."""

    bucket: str
    key: str = ""
    endpoint: str | None = None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}" + (f" at {self.endpoint}" if self.endpoint else "")


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Let what the block raises reach the user as one of the errors above."""
    try:
        yield
    except Exception as error:
        told = explained(error, place)
        if told is error:
            raise
        raise told from error


def explained(error: Exception, place: Place) -> Exception:
    """The error that a user should see for one of botocore's or the file system's; others as they are.

    botocore's errors are told by their names, because importing them costs 0.2 s and this happens late or never.
    """
    told = _of_service(error_code(error), place) if error_code(error) else None
    if told is not None:
        return told
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"The disk is full, so {place} could not be written; free some space and run again.")
    if error_code(error) in _UNREACHABLE or is_interruption(error):
        return S3ConnectionError(
            f"The connection to {place} failed and retries did not help ({_short(error)}); "
            "check the network and the block's endpoint_url, then run again."
        )
    return S3Error(f"{place} answered with an error: {_short(error)}") if error_code(error) else error


def _of_service(code: str, place: Place) -> S3Error | None:
    """The error for a code that S3, or botocore before asking it, gave."""
    if code in _CREDENTIALS:
        return S3CredentialsError(
            f"{place} refused the request: {_CREDENTIALS[code]}; check the block's credentials and their rights."
        )
    if code == "NoSuchBucket":
        where = f" at {place.endpoint}" if place.endpoint else ""
        return BucketNotFound(
            f"There is no bucket {place.bucket!r}{where}; create it, or correct bucket_name in the block."
        )
    if code in ("NoSuchKey", "404", "NotFound"):
        return S3ObjectNotFound(f"There is no object {place}; check the path and the block's bucket_folder.")
    if code in ("PreconditionFailed", "412"):
        return ObjectChanged(f"{place} was replaced while it was downloaded; run again to get the new one.")
    return None


def error_code(error: Exception) -> str:
    """The service's code of a botocore ``ClientError``, the class name of another botocore error, or nothing."""
    if type(error).__name__ == "S3UploadFailedError" and isinstance(error.__context__, Exception):
        return error_code(error.__context__)
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    foreign = type(error).__module__.startswith(("botocore", "boto3", "s3transfer", "urllib3"))
    return type(error).__name__ if foreign else ""


def is_interruption(error: Exception) -> bool:
    """Whether a download that ended so may go on where it stopped."""
    return error_code(error) in _INTERRUPTED or isinstance(error, ConnectionError | TimeoutError)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
