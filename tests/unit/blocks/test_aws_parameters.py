"""What was set of a client's parameters becomes arguments of boto3, and nothing else does."""

from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from blocks.aws import AssumeRoleParameters, AwsClientParameters, AwsCredentials, MinIOCredentials, S3Bucket


def test_what_was_not_set_is_left_to_boto3() -> None:
    assert AwsClientParameters().get_params_override() == {"use_ssl": True}
    assert AssumeRoleParameters(DurationSeconds=900).get_params_override() == {"DurationSeconds": 900}


def test_a_bundle_of_certificates_is_what_verifies(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    cases: list[tuple[dict[str, Any], Any]] = [
        ({"verify_cert_path": bundle}, str(bundle)),
        ({"verify": True, "verify_cert_path": bundle}, str(bundle)),
        ({"verify": bundle}, str(bundle)),
        ({"verify": False, "verify_cert_path": bundle}, False),
        ({"verify": False}, False),
    ]
    for given, verify in cases:
        assert AwsClientParameters(**given).get_params_override()["verify"] == verify


def test_a_botocore_config_is_taken_as_what_it_was_made_of() -> None:
    parameters = AwsClientParameters(config=Config(retries={"max_attempts": 1}, region_name="eu-west-1"))
    assert parameters.config == {"retries": {"max_attempts": 1}, "region_name": "eu-west-1"}


@pytest.mark.parametrize("wanted", [None, {"max_pool_connections": 3}])
def test_a_client_is_made_once_for_the_same_credentials(wanted: dict[str, Any] | None) -> None:
    def credentials(secret: str = "one") -> AwsCredentials:
        return AwsCredentials(
            aws_access_key_id="id",
            aws_secret_access_key=secret,  # type: ignore[arg-type]
            region_name="eu-central-1",
            aws_client_parameters=AwsClientParameters(config=wanted),
        )

    client = credentials().get_s3_client()
    assert credentials().get_client("s3") is client
    assert credentials("two").get_s3_client() is not client
    assert client.meta.region_name == "eu-central-1"
    assert client.meta.config.max_pool_connections == (3 if wanted else 16)
    assert client.meta.config.retries["mode"] == "standard"


def test_a_foreign_endpoint_is_spoken_to_plainly() -> None:
    parameters = AwsClientParameters(endpoint_url="http://127.0.0.1:9", config={"signature_version": "unsigned"})
    client = MinIOCredentials(
        minio_root_user="u", minio_root_password="p", aws_client_parameters=parameters  # type: ignore[arg-type]
    ).get_s3_client()  # fmt: skip
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    assert client.meta.config.request_checksum_calculation == "when_required"
    assert not isinstance(client.meta.config.signature_version, str)


def test_other_services_are_reached_too() -> None:
    credentials = AwsCredentials(aws_access_key_id="i", aws_secret_access_key="s", region_name="us-east-1")  # type: ignore[arg-type]
    assert credentials.get_secrets_manager_client().meta.service_model.service_name == "secretsmanager"


@pytest.mark.parametrize(
    ("folder", "path", "key"),
    [
        ("", "a/b", "a/b"),
        ("base", "a/b", "base/a/b"),
        ("base", "base/a", "base/a"),
        ("base/", "base/a", "base/a"),
        ("base", "base", "base"),
        ("base", "basement/a", "base/basement/a"),
        ("base", "", "base"),
    ],
)
def test_a_path_is_in_the_buckets_folder_once(folder: str, path: str, key: str) -> None:
    assert S3Bucket(bucket_name="b", bucket_folder=folder)._resolve_path(path) == key
