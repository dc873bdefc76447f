"""The file ``.env`` becomes saved blocks: all of what it describes, or nothing."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.aws import AwsCredentials, S3Bucket
from blocks.mail import EmailServerCredentials
from blocks.register import MAIL_NAMES, STORAGE_NAMES, Registered, main, register
from orchestration.domain.errors import ConfigurationError
from orchestration.sdk.block_model import BlockNotFound
from orchestration.sdk.context import Session, test_harness

ROOT = Path(__file__).parents[3]
STORAGE = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "very$ecret${HOME}", "S3_BUCKET": "months"}
MAIL = {"EMAIL_ADDRESS": "me@x.org", "EMAIL_PASSWORD": "app password here"}


@pytest.fixture(autouse=True)
def session() -> Iterator[Session]:
    with test_harness() as session:
        yield session


@pytest.fixture
def env(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def write(env: Path, values: dict[str, str]) -> None:
    env.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))


def test_everything_that_the_file_describes_is_saved(env: Path) -> None:
    write(env, {**STORAGE, **MAIL, "AWS_ENDPOINT_URL": "http://minio:9000", "MAIL_TO": "you@x.org"})
    assert register(env) == Registered("aws-s3", "email-server-credentials-block", "you@x.org")
    bucket = S3Bucket.load("aws-s3")
    assert isinstance(bucket.credentials, AwsCredentials)
    assert bucket.credentials._block_document_name == "aws-credentials"
    assert bucket.credentials.aws_secret_access_key is not None
    assert bucket.credentials.aws_secret_access_key.get_secret_value() == "very$ecret${HOME}"
    assert bucket.credentials.aws_client_parameters.endpoint_url == "http://minio:9000"
    server = EmailServerCredentials.load("email-server-credentials-block")
    assert (server.username, server.address) == ("me@x.org", ("smtp.gmail.com", 465))


def test_registering_again_replaces(env: Path) -> None:
    write(env, {**STORAGE, **MAIL})
    register(env)
    write(env, {**STORAGE, **MAIL, "S3_BUCKET": "other", "SMTP_SERVER": "mail.x.org", "SMTP_TYPE": "starttls"})
    register(env)
    assert S3Bucket.load("aws-s3").bucket_name == "other"
    assert EmailServerCredentials.load("email-server-credentials-block").address == ("mail.x.org", 587)


@pytest.mark.parametrize(
    ("values", "registered"),
    [
        (STORAGE, Registered("aws-s3", None)),
        (MAIL, Registered(None, "email-server-credentials-block")),
        ({}, Registered(None, None)),
        ({"OTHER": "x"}, Registered(None, None)),
    ],
)
def test_storage_and_mail_are_decided_separately(env: Path, values: dict[str, str], registered: Registered) -> None:
    write(env, values)
    assert register(env) == registered


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({**STORAGE, "EMAIL_ADDRESS": "me@x.org"}, "EMAIL_PASSWORD is missing in {env}, so no block was saved"),
        ({**STORAGE, "AWS_SECRET_ACCESS_KEY": " "}, "AWS_SECRET_ACCESS_KEY is missing in {env}"),
        ({"AWS_ENDPOINT_URL": "http://x"}, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and S3_BUCKET are missing"),
        ({**STORAGE, "MAIL_TO": "you@x.org"}, "EMAIL_ADDRESS and EMAIL_PASSWORD are missing in {env}"),
        ({**STORAGE, **MAIL, "SMTP_PORT": "ssl"}, "SMTP_PORT in {env} is 'ssl'; use a number from 1 to 65535."),
        ({**STORAGE, **MAIL, "SMTP_PORT": "70000"}, "SMTP_PORT in {env} is '70000'"),
        ({**STORAGE, **MAIL, "SMTP_TYPE": "TLS"}, "SMTP_TYPE in {env} is 'TLS'; use one of SSL, STARTTLS, INSECURE."),
    ],
)
def test_half_a_description_is_refused_and_nothing_is_saved(
    env: Path, session: Session, values: dict[str, str], sentence: str
) -> None:
    write(env, values)
    with pytest.raises(ConfigurationError, match=re.escape(sentence.format(env=env))):
        register(env)
    assert session.backend.block_documents() == []


def test_the_shells_environment_does_not_count(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**STORAGE, **MAIL}.items():
        monkeypatch.setenv(name, value)
    write(env, {})
    assert register(env) == Registered(None, None)


def test_a_missing_file_is_told(env: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^There is no file .*\.env; copy \.env_example to .*\.env"):
        register(env)


def test_the_example_names_every_value() -> None:
    names = re.findall(r"^(\w+)=", (ROOT / ".env_example").read_text(), flags=re.MULTILINE)
    assert set(names) == {*STORAGE_NAMES, *MAIL_NAMES}


def test_the_command_wants_all_and_says_what_it_saved(env: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(env, STORAGE)
    assert main(["--env", str(env)]) == 1
    assert capsys.readouterr() == (
        "",
        f"EMAIL_ADDRESS and EMAIL_PASSWORD are missing in {env}, so no block was saved; "
        "fill in what .env_example names.\n",
    )
    with pytest.raises(BlockNotFound):
        S3Bucket.load("aws-s3")
    write(env, {**STORAGE, **MAIL})
    assert main(["--env", str(env)]) == 0
    assert capsys.readouterr().out == (
        "Saved the blocks aws-credentials, aws-s3 and email-server-credentials-block.\n"
    )


def test_the_module_is_a_program(env: Path) -> None:
    write(env, {**STORAGE, **MAIL})
    command = [sys.executable, "-m", "blocks.register"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=env.parent, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "very$ecret" not in done.stdout
