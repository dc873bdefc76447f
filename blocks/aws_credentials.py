"""Credentials for Amazon S3 and its kin, and the clients that they open.

Names, titles and descriptions of fields are part of the schemas' checksums and so Prefect's to the
letter. boto3 takes a quarter of a second to load, so it is loaded when a client is first made.
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from enum import Enum
from typing import Any
from uuid import uuid4

from pydantic import Field, SecretStr

from blocks.aws_parameters import AssumeRoleParameters, AwsClientParameters
from blocks.s3_objects import WORKERS
from orchestration.sdk.block_model import revealed
from orchestration.sdk.blocks import Block
from orchestration.sdk.logs import remember_secret

LOGO = "https://cdn.sanity.io/images/3ugk85nk/production/d74b16fe84ce626345adf235a47008fea2869a60-225x225.png"
DOCUMENTATION = "https://docs.prefect.io/integrations/prefect-aws"


DEFAULTS = {
    "retries": {"mode": "standard", "total_max_attempts": 5},
    "max_pool_connections": WORKERS + 6,
    "connect_timeout": 10,
    "read_timeout": 60,
}
"""What a client does unless ``aws_client_parameters.config`` says otherwise; times in seconds."""

FOREIGN_ENDPOINT = {
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}
"""What S3 servers other than Amazon's need: many refuse the checksums that it has since grown."""

_clients: dict[tuple[str, str], Any] = {}
_clients_lock = threading.Lock()


class ClientType(Enum):
    """The services that a client is asked for by name."""

    S3 = "s3"
    ECS = "ecs"
    BATCH = "batch"
    SECRETS_MANAGER = "secretsmanager"


class ServiceCredentials(Block, ABC):
    """What opens clients of AWS, or of a service that speaks as AWS does."""

    @abstractmethod
    def get_boto3_session(self) -> Any:
        """A boto3 session with these credentials."""

    def get_client(self, client_type: str | ClientType) -> Any:
        """A client of a service; the same one for the same credentials."""
        return _client(self, client_type.value if isinstance(client_type, ClientType) else client_type)

    def get_s3_client(self) -> Any:
        """A client of S3."""
        return self.get_client(ClientType.S3)

    def get_secrets_manager_client(self) -> Any:
        """A client of the Secrets Manager."""
        return self.get_client(ClientType.SECRETS_MANAGER)


class AwsCredentials(ServiceCredentials):
    """
    Block used to manage authentication with AWS. AWS authentication is
    handled via the `boto3` module. Refer to the
    [boto3 docs](https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html)
    for more info about the possible credential configurations.
    """

    _block_type_name = "AWS Credentials"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    aws_access_key_id: str | None = Field(
        default=None, description="A specific AWS access key ID.", title="AWS Access Key ID"
    )
    aws_secret_access_key: SecretStr | None = Field(
        default=None, description="A specific AWS secret access key.", title="AWS Access Key Secret"
    )
    aws_session_token: str | None = Field(
        default=None,
        description=(
            "The session key for your AWS account. This is only needed when you are using temporary credentials."
        ),
        title="AWS Session Token",
        repr=False,  # in Prefect's schema it is plain text
    )
    profile_name: str | None = Field(default=None, description="The profile to use when creating your session.")
    region_name: str | None = Field(
        default=None, description="The AWS Region where you want to create new connections."
    )
    aws_client_parameters: AwsClientParameters = Field(
        default_factory=AwsClientParameters,
        description="Extra parameters to initialize the Client.",
        title="AWS Client Parameters",
    )
    assume_role_arn: str | None = Field(
        default=None, description="The ARN of the IAM role to assume.", title="Assume Role ARN"
    )
    assume_role_kwargs: AssumeRoleParameters = Field(
        default_factory=AssumeRoleParameters,
        description="Additional parameters for the assume_role call.",
        title="Assume Role Parameters",
    )

    def block_initialization(self) -> None:
        """Have the session token redacted, though its type does not say that it is a secret."""
        remember_secret(self.aws_session_token or "")

    def get_boto3_session(self) -> Any:
        """A boto3 session with these credentials, or with those of the role that they assume."""
        secret = self.aws_secret_access_key.get_secret_value() if self.aws_secret_access_key else None
        session = _boto3_session(
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=secret,
            aws_session_token=self.aws_session_token,
            profile_name=self.profile_name,
            region_name=self.region_name,
        )
        if not self.assume_role_arn:
            return session
        session_name = f"orchestration-{uuid4().hex[:8]}"
        wanted = {"RoleSessionName": session_name, **self.assume_role_kwargs.get_params_override()}
        role = session.client("sts").assume_role(RoleArn=self.assume_role_arn, **wanted)["Credentials"]
        return _boto3_session(
            aws_access_key_id=role["AccessKeyId"],
            aws_secret_access_key=role["SecretAccessKey"],
            aws_session_token=role["SessionToken"],
            region_name=self.region_name,
        )


class MinIOCredentials(ServiceCredentials):
    """Credentials of a MinIO server."""

    _block_type_name = "MinIO Credentials"
    _logo_url = "https://cdn.sanity.io/images/3ugk85nk/production/676cb17bcbdff601f97e0a02ff8bcb480e91ff40-250x250.png"
    _documentation_url = DOCUMENTATION
    _description = (
        "Block used to manage authentication with MinIO. Refer to the MinIO "
        "docs: https://docs.min.io/docs/minio-server-configuration-guide.html "
        "for more info about the possible credential configurations."
    )

    minio_root_user: str = Field(default=..., description="Admin or root user.")
    minio_root_password: SecretStr = Field(default=..., description="Admin or root password.")
    region_name: str | None = Field(
        default=None, description="The AWS Region where you want to create new connections."
    )
    aws_client_parameters: AwsClientParameters = Field(
        default_factory=AwsClientParameters, description="Extra parameters to initialize the Client."
    )

    def get_boto3_session(self) -> Any:
        """A boto3 session with these credentials."""
        return _boto3_session(
            aws_access_key_id=self.minio_root_user,
            aws_secret_access_key=self.minio_root_password.get_secret_value(),
            region_name=self.region_name,
        )


def _boto3_session(**given: Any) -> Any:
    from boto3 import Session

    return Session(**given)


def _client(credentials: ServiceCredentials, service: str) -> Any:
    """A client for these credentials; made once, because making one takes 50 ms and each is safe for threads."""
    key = json.dumps(revealed(credentials), sort_keys=True)
    with _clients_lock:
        if (service, key) not in _clients:
            _clients[service, key] = _new_client(credentials, service)
        return _clients[service, key]


def _new_client(credentials: Any, service: str) -> Any:
    from botocore import UNSIGNED
    from botocore.config import Config

    given = credentials.aws_client_parameters.get_params_override()
    wanted = dict(given.pop("config", None) or {})
    if wanted.get("signature_version") == "unsigned":
        wanted["signature_version"] = UNSIGNED
    if credentials.region_name is not None:
        given["region_name"] = credentials.region_name
    config = {**DEFAULTS, **(FOREIGN_ENDPOINT if "endpoint_url" in given else {}), **wanted}
    return credentials.get_boto3_session().client(service, config=Config(**config), **given)
