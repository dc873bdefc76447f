"""Credentials that assume a role reach a bucket with the role's own."""

import pytest

from blocks.aws import AssumeRoleParameters, AwsClientParameters, AwsCredentials
from tests.support.s3_server import ACCESS_KEY, SECRET_KEY, s3_server

ROLE = "arn:aws:iam::123456789012:role/reader"


@pytest.mark.parametrize("name", [None, "the-retraining"])
def test_a_role_is_assumed(monkeypatch: pytest.MonkeyPatch, name: str | None) -> None:
    with s3_server() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        credentials = AwsCredentials.model_validate(
            {
                "aws_access_key_id": ACCESS_KEY,
                "aws_secret_access_key": SECRET_KEY,
                "region_name": "us-east-1",
                "assume_role_arn": ROLE,
                "assume_role_kwargs": AssumeRoleParameters(RoleSessionName=name, DurationSeconds=900),
                "aws_client_parameters": AwsClientParameters(endpoint_url=url),
            }
        )
        session = credentials.get_boto3_session()
        found = session.get_credentials()
        assert found.token
        assert found.access_key != ACCESS_KEY
        assert credentials.get_s3_client().list_buckets()["Buckets"] == []
        identity = session.client("sts").get_caller_identity()["Arn"]
    assert f":assumed-role/reader/{name or 'orchestration-'}" in identity
