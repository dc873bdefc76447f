"""Parameters of AWS clients and assumed roles.

Titles and descriptions, docstrings of models included, are part of the schemas' checksums; they are
Prefect's to the letter, because a block saved by either must load in the other.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, FilePath, field_validator


class AwsClientParameters(BaseModel):
    """
    Model used to manage extra parameters that you can pass when you initialize
    the Client. If you want to find more information, see
    [boto3 docs](https://boto3.amazonaws.com/v1/documentation/api/latest/reference/core/session.html)
    for more info about the possible client configurations.

    Attributes:
        api_version: The API version to use. By default, botocore will
            use the latest API version when creating a client. You only need
            to specify this parameter if you want to use a previous API version
            of the client.
        use_ssl: Whether or not to use SSL. By default, SSL is used.
            Note that not all services support non-ssl connections.
        verify: Whether or not to verify SSL certificates. By default
            SSL certificates are verified. If False, SSL will still be used
            (unless use_ssl is False), but SSL certificates
            will not be verified. Passing a file path to this is deprecated.
        verify_cert_path: A filename of the CA cert bundle to
            use. You can specify this argument if you want to use a
            different CA cert bundle than the one used by botocore.
        endpoint_url: The complete URL to use for the constructed
            client. Normally, botocore will automatically construct the
            appropriate URL to use when communicating with a service. You
            can specify a complete URL (including the "http/https" scheme)
            to override this behavior. If this value is provided,
            then `use_ssl` is ignored.
        config: Advanced configuration for Botocore clients. See
            [botocore docs](https://botocore.amazonaws.com/v1/documentation/api/latest/reference/config.html)
            for more details.
    """

    api_version: str | None = Field(default=None, description="The API version to use.", title="API Version")
    use_ssl: bool = Field(default=True, description="Whether or not to use SSL.", title="Use SSL")
    verify: bool | FilePath | None = Field(default=None, description="Whether or not to verify SSL certificates.")
    verify_cert_path: FilePath | None = Field(
        default=None, description="Path to the CA cert bundle to use.", title="Certificate Authority Bundle File Path"
    )
    endpoint_url: str | None = Field(
        default=None, description="The complete URL to use for the constructed client.", title="Endpoint URL"
    )
    config: dict[str, Any] | None = Field(
        default=None, description="Advanced configuration for Botocore clients.", title="Botocore Config"
    )

    @field_validator("config", mode="before")
    @classmethod
    def _plain_config(cls, value: Any) -> Any:
        """Take a botocore ``Config`` as the mapping that it was made from."""
        return getattr(value, "_user_provided_options", value)

    def get_params_override(self) -> dict[str, Any]:
        """What was set, as arguments of ``boto3.Session.client`` (``config`` still a mapping)."""
        given = {name: value for name, value in self.model_dump().items() if value is not None}
        bundle = given.pop("verify_cert_path", None)
        if bundle is not None and given.get("verify") is not False:
            given["verify"] = str(bundle)
        elif "verify" in given and not isinstance(given["verify"], bool):
            given["verify"] = str(given["verify"])
        return given


class AssumeRoleParameters(BaseModel):
    """
    Model used to manage parameters for the AWS STS assume_role call.
    Refer to the
    [boto3 STS assume_role docs](https://boto3.amazonaws.com/v1/documentation/api/latest/reference/services/sts/client/assume_role.html)
    for more information about the possible assume role configurations.

    Attributes:
        RoleSessionName: An identifier for the assumed role session.
            This value is used to uniquely identify a session when the same role
            is assumed by different principals or for different reasons.
            If not provided, a default will be generated.
        DurationSeconds: The duration, in seconds, of the role session.
            The value can range from 900 seconds (15 minutes) to 43,200 seconds (12 hours).
        Policy: An IAM policy in JSON format that you want to use as an inline session policy.
        PolicyArns: The ARNs of the IAM managed policies to use as managed session policies.
            Each item should be a dict with an 'arn' key.
        Tags: A list of session tags. Each tag should be a dict with 'Key' and 'Value' keys.
        TransitiveTagKeys: A list of keys for session tags that you want to set as transitive.
            Transitive tags persist during role chaining.
        ExternalId: A unique identifier that is used by third parties to assume a role
            in their customers' accounts.
        SerialNumber: The identification number of the MFA device that is associated
            with the user who is making the AssumeRole call.
        TokenCode: The value provided by the MFA device, if MFA authentication is required.
        SourceIdentity: The source identity specified by the principal that is calling
            the AssumeRole operation.
        ProvidedContexts: A list of context information. Each context should be a dict
            with 'ProviderArn' and 'ContextAssertion' keys.
    """

    RoleSessionName: str | None = Field(
        default=None,
        description="An identifier for the assumed role session. If not provided, a default will be generated.",
        title="Role Session Name",
    )
    DurationSeconds: int | None = Field(
        default=None,
        description=(
            "The duration, in seconds, of the role session. "
            "The value can range from 900 seconds (15 minutes) to 43,200 seconds (12 hours)."
        ),
        title="Duration Seconds",
    )
    Policy: str | None = Field(
        default=None,
        description="An IAM policy in JSON format that you want to use as an inline session policy.",
        title="Policy",
    )
    PolicyArns: list[dict[str, str]] | None = Field(
        default=None,
        description=(
            "The ARNs of the IAM managed policies to use as managed session policies. "
            "Each item should be a dict with an 'arn' key."
        ),
        title="Policy ARNs",
    )
    Tags: list[dict[str, str]] | None = Field(
        default=None,
        description="A list of session tags. Each tag should be a dict with 'Key' and 'Value' keys.",
        title="Tags",
    )
    TransitiveTagKeys: list[str] | None = Field(
        default=None,
        description=(
            "A list of keys for session tags that you want to set as transitive. "
            "Transitive tags persist during role chaining."
        ),
        title="Transitive Tag Keys",
    )
    ExternalId: str | None = Field(
        default=None,
        description=(
            "A unique identifier that is used by third parties to assume a role in their customers' accounts."
        ),
        title="External ID",
    )
    SerialNumber: str | None = Field(
        default=None,
        description=(
            "The identification number of the MFA device that is associated "
            "with the user who is making the AssumeRole call."
        ),
        title="Serial Number",
    )
    TokenCode: str | None = Field(
        default=None,
        description="The value provided by the MFA device, if MFA authentication is required.",
        title="Token Code",
    )
    SourceIdentity: str | None = Field(
        default=None,
        description="The source identity specified by the principal that is calling the AssumeRole operation.",
        title="Source Identity",
    )
    ProvidedContexts: list[dict[str, str]] | None = Field(
        default=None,
        description=(
            "A list of context information. Each context should be a dict "
            "with 'ProviderArn' and 'ContextAssertion' keys."
        ),
        title="Provided Contexts",
    )

    def get_params_override(self) -> dict[str, Any]:
        """What was set, as arguments of the STS call ``assume_role``."""
        return {name: value for name, value in self.model_dump().items() if value is not None}
