"""A real SMTP server for tests: aiosmtpd in this process, on a free loopback port, keeping what it is sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True, slots=True)
class Received:
    """One mail as the server got it: the envelope's recipients and the message."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    raw: bytes


@dataclass(slots=True)
class MailServer:
    """Where a test's mail server listens, and what it received."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep one mail."""
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        message = message_from_bytes(raw, policy=policy.default)
        self.received.append(Received(envelope.mail_from or "", list(envelope.rcpt_tos), message, raw))
        return "250 kept"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take every recipient but those at ``refused.example``."""
        if address.endswith("@refused.example"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 ok"


class FreePortController(Controller):
    """A controller that lets the system choose the port."""

    def _trigger_server(self) -> None:
        """Learn the port before the controller tries whether the server answers."""
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def smtp_server(
    tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None, password: str | None = None
) -> Iterator[MailServer]:
    """Run a mail server; with a password, only who logs in with it may send."""
    mails = MailServer()

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        mails.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password.decode() == password, handled=False)

    without_login = {"auth_exclude_mechanism": ["LOGIN", "PLAIN"]}
    login = without_login if password is None else {"authenticator": authenticate, "auth_required": True}
    options: dict[str, Any] = {**login, "auth_require_tls": tls is None and starttls is not None}
    controller = FreePortController(
        mails, "127.0.0.1", 0, ssl_context=tls, tls_context=starttls, require_starttls=starttls is not None, **options
    )
    controller.start()
    try:
        mails.port = controller.port
        yield mails
    finally:
        controller.stop()
