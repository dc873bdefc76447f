"""``python -m blocks.register``: the file ``.env`` becomes saved blocks.

Only the file counts, never the shell's environment, so that what runs is what the file says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from blocks.aws import AwsClientParameters, AwsCredentials, S3Bucket
from blocks.mail import EmailServerCredentials, SMTPType
from orchestration.domain.errors import ConfigurationError, OrchestrationError

ENV_FILE = Path(".env")
CREDENTIALS_BLOCK = "aws-credentials"
S3_BLOCK = "aws-s3"
MAIL_BLOCK = "email-server-credentials-block"

STORAGE_NEEDED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "S3_BUCKET")
STORAGE_NAMES = (*STORAGE_NEEDED, "AWS_ENDPOINT_URL")
PORTS = range(1, 65_536)
MAIL_NEEDED = ("EMAIL_ADDRESS", "EMAIL_PASSWORD")
MAIL_NAMES = (*MAIL_NEEDED, "SMTP_SERVER", "SMTP_PORT", "SMTP_TYPE", "MAIL_TO")


@dataclass(frozen=True, slots=True)
class Registered:
    """The names of the blocks that were saved; ``None`` where the file says nothing of storage, or of mail."""

    s3_block: str | None
    mail_block: str | None
    mail_to: str | None = None


def register(env_path: Path = ENV_FILE, complete: bool = False) -> Registered:
    """Save the blocks that a file describes, or none of them.

    Args:
        complete: whether the file must describe both storage and mail.

    Raises:
        ConfigurationError: the file is not there, or a value is missing or wrong; the sentence names it.
    """
    values = read_values(env_path)
    wants_storage = complete or any(name in values for name in STORAGE_NAMES)
    wants_mail = complete or any(name in values for name in MAIL_NAMES)
    bucket = storage_block(values, env_path) if wants_storage else None
    server = mail_block(values, env_path) if wants_mail else None
    if bucket is not None:
        bucket.credentials.save(CREDENTIALS_BLOCK, overwrite=True)
        bucket.save(S3_BLOCK, overwrite=True)
    if server is not None:
        server.save(MAIL_BLOCK, overwrite=True)
    return Registered(S3_BLOCK if bucket else None, MAIL_BLOCK if server else None, values.get("MAIL_TO"))


def read_values(env_path: Path) -> dict[str, str]:
    """The values that a file gives, empty ones left out; ``$`` has no meaning in them.

    Raises:
        ConfigurationError: the file is not there.
    """
    if not env_path.is_file():
        raise ConfigurationError(
            f"There is no file {env_path}; copy .env_example to {env_path}, fill it in, and run again."
        )
    given = dotenv_values(env_path, interpolate=False)
    return {name: value.strip() for name, value in given.items() if value and value.strip()}


def storage_block(values: Mapping[str, str], env_path: Path = ENV_FILE) -> S3Bucket:
    """The bucket, with its credentials, that the values describe; nothing is saved."""
    _need(STORAGE_NEEDED, values, env_path)
    credentials = AwsCredentials(
        aws_access_key_id=values["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=SecretStr(values["AWS_SECRET_ACCESS_KEY"]),
        aws_client_parameters=AwsClientParameters(endpoint_url=values.get("AWS_ENDPOINT_URL")),
    )
    return S3Bucket(bucket_name=values["S3_BUCKET"], credentials=credentials)


def mail_block(values: Mapping[str, str], env_path: Path = ENV_FILE) -> EmailServerCredentials:
    """The mail server that the values describe, by default Gmail's; nothing is saved."""
    _need(MAIL_NEEDED, values, env_path)
    port, kind = values.get("SMTP_PORT"), values.get("SMTP_TYPE", SMTPType.SSL.name).upper()
    if port is not None and not (port.isascii() and port.isdigit() and int(port) in PORTS):
        raise ConfigurationError(f"SMTP_PORT in {env_path} is {port!r}; use a number from 1 to 65535.")
    if kind not in SMTPType.__members__:
        raise ConfigurationError(f"SMTP_TYPE in {env_path} is {kind!r}; use one of {', '.join(SMTPType.__members__)}.")
    return EmailServerCredentials(
        username=values["EMAIL_ADDRESS"],
        password=SecretStr(values["EMAIL_PASSWORD"]),
        smtp_server=values.get("SMTP_SERVER", "gmail"),
        smtp_type=SMTPType[kind],
        smtp_port=int(port) if port else None,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Register from the command line; the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser("python -m blocks.register", description="Save the blocks that .env describes.")
    parser.add_argument("--env", type=Path, default=ENV_FILE, metavar="FILE", help="by default .env")
    try:
        register(parser.parse_args(arguments).env, complete=True)
    except OrchestrationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Saved the blocks {CREDENTIALS_BLOCK}, {S3_BLOCK} and {MAIL_BLOCK}.\n")
    return 0


def _need(names: Sequence[str], values: Mapping[str, str], env_path: Path) -> None:
    missing = [name for name in names if name not in values]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigurationError(
            f"{' and '.join(missing)} {verb} missing in {env_path}, so no block was saved; "
            "fill in what .env_example names."
        )


if __name__ == "__main__":
    sys.exit(main())
