"""Secrets planted in blocks appear nowhere in plain text, whatever a flow does with them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.smtp_server import smtp_server

ROOT = Path(__file__).parents[2]
PLANTED = {
    "aws": "planted-aws-secret",
    "token": "planted-session-token",
    "mail": "planted-mail-password",
    "own": "planted-own-value",
}

SAVES = """
import os
from blocks.aws import AwsCredentials, S3Bucket
from blocks.mail import EmailServerCredentials
from orchestration import Secret
credentials = AwsCredentials(
    aws_access_key_id="id", aws_secret_access_key=os.environ["aws"], aws_session_token=os.environ["token"]
)
credentials.save("aws-credentials")
S3Bucket(bucket_name="months", credentials=credentials).save("aws-s3")
EmailServerCredentials(
    username=None, password=os.environ["mail"], smtp_server="127.0.0.1", smtp_type="INSECURE",
    smtp_port=int(os.environ["port"]),
).save("mail")
Secret(value={"deep": [os.environ["own"]]}).save("own")
"""

LEAKS = """
import sys
from pathlib import Path
from blocks.aws import S3Bucket
from blocks.mail import EmailServerCredentials, email_send_message
from orchestration import Secret, create_markdown_artifact, create_table_artifact, flow, get_run_logger, task

@task
def fails(text):
    raise ValueError(f"cannot use {text}")

@flow(log_prints=True)
def leaks():
    bucket, mail, own = S3Bucket.load("aws-s3"), EmailServerCredentials.load("mail"), Secret.load("own")
    print(bucket, mail, own, bucket.model_dump(), mail.model_dump_json())
    secrets = [
        bucket.credentials.aws_secret_access_key.get_secret_value(), bucket.credentials.aws_session_token,
        mail.password.get_secret_value(), own.get()["deep"][0],
    ]
    text = " ".join(secrets)
    print(text)
    get_run_logger().info("we know %s", text)
    create_markdown_artifact(f"# {text}", key="report")
    create_table_artifact([{"secret": each} for each in secrets], key="table")
    email_send_message(text, f"<p>{text}</p>", mail, text, email_from="me@x.org", email_to="you@x.org")
    try:
        fails(text)
    except ValueError:
        get_run_logger().exception("it failed with %r", secrets)
    state = fails(text, return_state=True)
    print(state, Path(f"/proc/self/cmdline").read_text())
    raise RuntimeError(f"the end: {text}")

leaks()
"""


def run(program: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    home = {"ORCHESTRATION_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env={**home, **environment}, capture_output=True, text=True, check=False)


def found_in(texts: dict[str, bytes]) -> list[tuple[str, str]]:
    secrets = [(name, secret.encode()) for name, secret in PLANTED.items()]
    return [(place, name) for place, text in texts.items() for name, secret in secrets if secret in text]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Everything that a flow which shouts its secrets left behind."""
    tmp_path = tmp_path_factory.mktemp("leaks")
    with smtp_server() as mails:
        saved = run(SAVES, tmp_path, port=str(mails.port), **PLANTED)
        assert (saved.returncode, saved.stderr) == (0, "")
        leaked = run(LEAKS, tmp_path)
    assert leaked.returncode == 1
    assert "the end: ******** ********" in leaked.stderr
    assert len(mails.received) == 1
    message = mails.received[0].message
    decoded = "".join(str(part.get_content()) for part in message.walk() if not part.is_multipart())
    files = {path.name: path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()}
    return {
        **files,
        "console": leaked.stderr.encode(),
        "printed": leaked.stdout.encode(),
        "mail": mails.received[0].raw,
        "decoded mail": f"{message['Subject']} {decoded}".encode(),
    }


def test_a_secret_leaves_by_no_console_and_no_mail(places: dict[str, bytes]) -> None:
    assert b"********" in places["decoded mail"]
    assert found_in({place: text for place, text in places.items() if not place.startswith("orchestration.db")}) == []


def test_a_secret_is_not_in_the_database(places: dict[str, bytes]) -> None:
    stored = {place: text for place, text in places.items() if place.startswith("orchestration.db")}
    assert b"we know ********" in stored["orchestration.db"]
    assert found_in(stored) == []
