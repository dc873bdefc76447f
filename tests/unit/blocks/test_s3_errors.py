"""Every way in which a bucket can fail has its own sentence."""

import errno

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore import exceptions as foreign

from blocks import s3_errors as own
from blocks.s3_errors import Place, explained, is_interruption, translated

PLACE = Place("months", "data/a.parquet", "http://s3.example:9000")


def client_error(code: str) -> foreign.ClientError:
    return foreign.ClientError({"Error": {"Code": code, "Message": "m"}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (
            client_error("InvalidAccessKeyId"),
            own.S3CredentialsError,
            "s3://months/data/a.parquet at http://s3.example:9000 refused the request: the access key id is not known "
            "there; check the block's credentials and their rights.",
        ),
        (client_error("SignatureDoesNotMatch"), own.S3CredentialsError, "the secret access key does not belong to"),
        (client_error("AccessDenied"), own.S3CredentialsError, "the credentials may not do this"),
        (client_error("ExpiredToken"), own.S3CredentialsError, "the session token has expired"),
        (client_error("403"), own.S3CredentialsError, "the credentials are wrong or may not do this"),
        (foreign.NoCredentialsError(), own.S3CredentialsError, "no credentials were given"),
        (foreign.ProfileNotFound(profile="x"), own.S3CredentialsError, "the profile does not exist"),
        (
            client_error("NoSuchBucket"),
            own.BucketNotFound,
            "There is no bucket 'months' at http://s3.example:9000; create it, or correct bucket_name in the block.",
        ),
        (client_error("NoSuchKey"), own.S3ObjectNotFound, "check the path and the block's bucket_folder."),
        (client_error("404"), own.S3ObjectNotFound, "There is no object s3://months/data/a.parquet"),
        (client_error("PreconditionFailed"), own.ObjectChanged, "was replaced while it was downloaded; run again"),
        (
            foreign.EndpointConnectionError(endpoint_url="http://s3.example:9000"),
            own.S3ConnectionError,
            "failed and retries did not help",
        ),
        (foreign.ReadTimeoutError(endpoint_url="u"), own.S3ConnectionError, "check the network and the block"),
        (ConnectionResetError("reset"), own.S3ConnectionError, "retries did not help (reset)"),
        (OSError(errno.ENOSPC, "full"), own.DiskFullError, "The disk is full, so s3://months/data/a.parquet"),
        (OSError(errno.EDQUOT, "quota"), own.DiskFullError, "free some space and run again."),
        (client_error("SlowDown"), own.S3Error, "answered with an error: An error occurred (SlowDown)"),
        (foreign.ParamValidationError(report="r"), own.S3Error, "answered with an error"),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", None),
)
def test_each_failure_says_what_to_do(error: Exception, kind: type[Exception], sentence: str) -> None:
    told = explained(error, PLACE)
    assert type(told) is kind
    assert sentence in str(told)


def test_what_is_no_failure_of_s3_stays_as_it_is() -> None:
    for error in (ValueError("x"), FileNotFoundError("y"), own.UnsafeKeyError("z")):
        assert explained(error, PLACE) is error
        with pytest.raises(type(error)) as caught, translated(PLACE):
            raise error
        assert caught.value is error


def test_a_failed_upload_tells_why() -> None:
    try:
        try:
            raise client_error("NoSuchBucket")
        except foreign.ClientError as error:
            raise S3UploadFailedError(f"Failed: {error}")  # noqa: B904 - as boto3 does
    except S3UploadFailedError as error:
        assert isinstance(explained(error, PLACE), own.BucketNotFound)


def test_without_an_endpoint_none_is_told() -> None:
    assert str(explained(client_error("NoSuchBucket"), Place("b"))).startswith("There is no bucket 'b'; create it")


def test_which_failures_are_interruptions() -> None:
    assert is_interruption(foreign.IncompleteReadError(actual_bytes=1, expected_bytes=2))
    assert is_interruption(foreign.ReadTimeoutError(endpoint_url="u"))
    assert is_interruption(ConnectionResetError())
    assert not is_interruption(client_error("NoSuchKey"))
    assert not is_interruption(foreign.EndpointConnectionError(endpoint_url="u"))
    assert not is_interruption(OSError(errno.ENOSPC, "full"))
