"""Mails go out to a real server: once, safely, and with a clear word when they cannot."""

import asyncio
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from blocks.mail import EmailServerCredentials, email_send_message
from blocks.mail_errors import (
    MailConnectionError,
    MailHeaderError,
    MailLoginError,
    MailRefusedError,
    MailSecurityError,
)
from orchestration.sdk.context import Session, test_harness
from orchestration.sdk.flows import flow
from tests.support.certificates import make_certificate
from tests.support.listings import task_runs
from tests.support.smtp_server import MailServer, smtp_server

PASSWORD = "password-of-tests"


@pytest.fixture(autouse=True)
def session() -> Iterator[Session]:
    with test_harness() as session:
        yield session


@pytest.fixture
def plain() -> Iterator[MailServer]:
    with smtp_server() as mails:
        yield mails


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The server's side of TLS, whose certificate this process trusts."""
    context, certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return context


def block(mails: MailServer, smtp_type: str = "INSECURE", **given: Any) -> EmailServerCredentials:
    return EmailServerCredentials(smtp_server="127.0.0.1", smtp_type=smtp_type, smtp_port=mails.port, **given)


def send(credentials: EmailServerCredentials, **given: Any) -> EmailMessage:
    fields = {"subject": "Report", "msg": "<p>Done</p>", "email_from": "me@x.org", "email_to": "you@x.org"}
    message: EmailMessage = email_send_message(email_server_credentials=credentials, **{**fields, **given})
    return message


def test_a_mail_arrives_at_everybody(plain: MailServer, tmp_path: Path) -> None:
    (tmp_path / "rides.csv").write_text("a,b\n")
    message = send(
        block(plain), email_to=["you@x.org"], email_to_cc="c@x.org", email_to_bcc=["b@x.org"], msg_plain="Done",
        attachments=[str(tmp_path / "rides.csv")],
    )  # fmt: skip
    (received,) = plain.received
    assert received.recipients == ["you@x.org", "c@x.org", "b@x.org"]
    assert received.message["Message-ID"] == message["Message-ID"]
    assert received.message["Cc"] == "c@x.org"
    assert b"b@x.org" not in received.raw
    assert [part.get_filename() for part in received.message.iter_attachments()] == ["rides.csv"]


def test_sync_and_async_code_send_once(plain: MailServer) -> None:
    @flow
    def sync_flow() -> None:
        send(block(plain), subject="sync")

    @flow
    async def async_flow() -> str:
        send(block(plain), subject="forgotten")
        awaitable: Any = send(block(plain), subject="awaited")
        subject: str = (await awaitable)["Subject"]
        return subject

    sync_flow()
    assert asyncio.run(async_flow()) == "awaited"
    assert sorted(received.message["Subject"] for received in plain.received) == ["awaited", "forgotten", "sync"]


def test_sending_is_a_task(session: Session, plain: MailServer) -> None:
    @flow
    def sends() -> None:
        email_send_message.submit(
            "Report", "<p>Done</p>", block(plain), email_from="me@x.org", email_to="you@x.org"
        ).result()
        send(block(plain))

    sends()
    runs = task_runs(session.backend)
    assert [run.name for run in runs] == ["email_send_message-0", "email_send_message-1"]
    assert len(plain.received) == 2


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # aiosmtpd counts STARTTLS only
@pytest.mark.parametrize("smtp_type", ["SSL", "STARTTLS"])
def test_login_over_tls(trusted: Any, smtp_type: str) -> None:
    tls: dict[str, Any] = {"tls": trusted} if smtp_type == "SSL" else {"starttls": trusted}
    with smtp_server(**tls, password=PASSWORD) as mails:
        credentials = block(mails, smtp_type, username="me@x.org", password=PASSWORD)
        credentials.save("mail")
        send(EmailServerCredentials.load("mail"), email_from=None)
        assert mails.logins == [("me@x.org", PASSWORD)]
        assert [received.sender for received in mails.received] == ["me@x.org"]
        wrong = credentials.model_copy(update={"password": type(credentials.password)("wrong")})
        with pytest.raises(MailLoginError, match=r"^The mail server 127\.0\.0\.1:\d+ refuses the user name or"):
            send(wrong)
    assert len(mails.received) == 1


@pytest.mark.parametrize("smtp_type", ["SSL", "STARTTLS"])
def test_an_unknown_certificate_is_refused_unless_told_otherwise(tmp_path: Path, smtp_type: str) -> None:
    context, _ = make_certificate(tmp_path)
    tls: dict[str, Any] = {"tls": context} if smtp_type == "SSL" else {"starttls": context}
    with smtp_server(**tls) as mails:
        with pytest.raises(MailSecurityError, match=r"is not trusted \(.*\); correct smtp_server, or set verify=False"):
            send(block(mails, smtp_type))
        assert mails.received == []
        send(block(mails, smtp_type, verify=False))
        assert len(mails.received) == 1


def test_a_certificate_for_another_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, certificate = make_certificate(tmp_path, "127.0.0.2")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with smtp_server(tls=context) as mails, pytest.raises(MailSecurityError, match="IP address mismatch"):
        send(block(mails, "SSL"))


def test_the_wrong_kind_of_encryption_is_told(plain: MailServer) -> None:
    with pytest.raises(MailSecurityError, match=r"choose the smtp_type \(SSL, STARTTLS or INSECURE\)"):
        send(block(plain, "SSL"))
    with pytest.raises(MailSecurityError, match="does not offer what is asked of it"):
        send(block(plain, "STARTTLS"))
    with pytest.raises(MailRefusedError, match=r"No suitable authentication method found\.$"):
        send(block(plain, username="me@x.org", password=PASSWORD))


def test_a_server_that_is_not_there_or_hangs_up_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(MailConnectionError, match=r"cannot be reached .*; check smtp_server, smtp_port and"):
        send(block(MailServer(port)))


def test_refused_recipients_are_named(plain: MailServer) -> None:
    with pytest.raises(MailRefusedError, match=r"refuses the recipients you@refused\.example; correct the addresses"):
        send(block(plain), email_to="you@refused.example")
    assert plain.received == []


def test_a_forged_header_is_not_sent(plain: MailServer) -> None:
    with pytest.raises(MailHeaderError):
        send(block(plain), subject="Report\r\nBcc: victim@x.org")
    with pytest.raises(MailHeaderError):
        send(block(plain), email_to="you@x.org\nRCPT TO:<victim@x.org>")
    assert plain.received == []


def test_a_password_in_plain_is_warned_of(plain: MailServer, capfd: pytest.CaptureFixture[str]) -> None:
    @flow
    def sends() -> None:
        with pytest.raises(MailRefusedError):
            send(block(plain, username="me@x.org", password=PASSWORD))

    sends()
    shown = capfd.readouterr().err
    assert "The password for 127.0.0.1 goes over a connection that is not encrypted" in shown
    assert PASSWORD not in shown


def test_secrets_do_not_leave_by_mail(plain: MailServer) -> None:
    EmailServerCredentials(password=PASSWORD)  # type: ignore[arg-type]
    send(block(plain), subject=f"it is {PASSWORD}", msg=f"<p>{PASSWORD}</p>", msg_plain=PASSWORD)
    assert PASSWORD.encode() not in plain.received[0].raw
    assert plain.received[0].message["Subject"] == "it is ********"
