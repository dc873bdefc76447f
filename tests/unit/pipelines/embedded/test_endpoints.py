"""The embedded servers are real, start on free ports, and do not outlive whoever started them."""

import json
import mailbox
import re
import signal
import smtplib
import socket
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipelines.embedded import endpoints
from pipelines.embedded.endpoints import ROOT, mail_endpoint, s3_endpoint
from pipelines.errors import EndpointError

PARENT = """
import json, sys
from pathlib import Path
from pipelines.embedded.endpoints import mail_endpoint, s3_endpoint
with s3_endpoint() as s3, mail_endpoint(Path(sys.argv[1])) as mail:
    print(json.dumps([s3.port, mail.port]), flush=True)
    sys.stdin.read()
"""


def _client(url: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )


def test_the_s3_endpoint_keeps_objects(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8_000
    (tmp_path / "months").write_bytes(content)
    with s3_endpoint() as server:
        client = _client(server.url)
        client.create_bucket(Bucket="trips")
        client.upload_file(str(tmp_path / "months"), "trips", "data/2021/months.parquet")
        listed = client.list_objects_v2(Bucket="trips", Prefix="data/")["Contents"]
        assert [(entry["Key"], entry["Size"]) for entry in listed] == [("data/2021/months.parquet", len(content))]
        assert client.get_object(Bucket="trips", Key="data/2021/months.parquet")["Body"].read() == content
    assert server.process.returncode == 0


def test_the_mail_endpoint_files_mails_with_or_without_login(tmp_path: Path) -> None:
    outbox = tmp_path / "new" / "outbox"
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Report", "a@example.com", "b@example.com"
    message.set_content("An RMSE of 5.39 minutes, außerdem ✓.")
    with mail_endpoint(outbox) as server:
        with smtplib.SMTP(server.host, server.port) as smtp:
            smtp.login("a@example.com", "any password")
            smtp.send_message(message)
        with smtplib.SMTP(server.host, server.port) as smtp:
            smtp.send_message(message)
    mails = list(mailbox.Maildir(str(outbox), create=False))
    assert [mail["Subject"] for mail in mails] == ["Report", "Report"]


def test_every_server_has_a_port_of_its_own(tmp_path: Path) -> None:
    with s3_endpoint() as one, mail_endpoint(tmp_path / "a") as two, mail_endpoint(tmp_path / "b") as three:
        assert len({one.port, two.port, three.port}) == 3
        assert one.host == two.host == three.host == "127.0.0.1"


def test_a_server_that_nobody_asked_for_still_ends() -> None:
    with s3_endpoint() as server:
        pass
    assert server.process.returncode == 0


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_the_servers_end_with_their_parent(tmp_path: Path, ending: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "outbox")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        ports = json.loads(parent.stdout.readline())
        connections = [socket.create_connection(("127.0.0.1", port), timeout=10) for port in ports]
        parent.send_signal(ending)
        for connection in connections:
            with connection:
                assert _last_words(connection)[:3] in {b"", b"220"}, "at most a greeting, and then the end"


def _last_words(connection: socket.socket) -> bytes:
    """What comes before the connection ends, which it does only because the process at its other end has."""
    words = b""
    while received := _receive(connection):
        words += received
    return words


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1_000)
    except ConnectionResetError:
        return b""


def test_a_server_that_does_not_start_is_named() -> None:
    module = "pipelines.embedded.no_such_server"
    with endpoints._running("S3", module) as server, pytest.raises(EndpointError) as caught:
        _ = server.port
    assert re.match(
        rf"The embedded S3 server did not start \(.+\): run `python -m {module}` to see why", str(caught.value)
    )


def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "START_SECONDS", 0.0)
    with s3_endpoint() as server, pytest.raises(EndpointError, match="no answer in 0 s"):
        _ = server.port


def test_a_server_that_does_not_end_is_ended_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "STOP_SECONDS", 0.1)
    with endpoints._running("deaf", "timeit", "-n", "1000000000000", "pass") as server:
        assert server.process.poll() is None
    assert server.process.returncode == -signal.SIGKILL
