"""Mail servers, and a task that sends a mail through one (not ``email``, which is the standard library's name)."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pydantic import Field, SecretStr, field_validator

from blocks.mail_errors import translated
from blocks.mail_message import Addresses, Letter, compose, recipients_of
from orchestration.sdk.awaiting import dispatch
from orchestration.sdk.blocks import Block
from orchestration.sdk.flows import Task

P = ParamSpec("P")
R = TypeVar("R")

SECONDS = 30.0
"""How long to wait for a mail server."""


class SMTPType(Enum):
    """Protocols used to secure email transmissions."""

    SSL = 465
    STARTTLS = 587
    INSECURE = 25


class SMTPServer(Enum):
    """Server used to send email."""

    AOL = "smtp.aol.com"
    ATT = "smtp.mail.att.net"
    COMCAST = "smtp.comcast.net"
    ICLOUD = "smtp.mail.me.com"
    GMAIL = "smtp.gmail.com"
    OUTLOOK = "smtp-mail.outlook.com"
    YAHOO = "smtp.mail.yahoo.com"


class EmailServerCredentials(Block):
    """
    Block used to manage generic email server authentication.
    It is recommended you use a
    [Google App Password](https://support.google.com/accounts/answer/185833)
    if you use Gmail.
    """

    _block_type_name = "Email Server Credentials"
    _logo_url = "https://cdn.sanity.io/images/3ugk85nk/production/82bc6ed16ca42a2252a5512c72233a253b8a58eb-250x250.png"
    _documentation_url = "https://docs.prefect.io/integrations/prefect-email"

    username: str | None = Field(
        default=None,
        description=(
            "The username to use for authentication to the server. Unnecessary if SMTP login is not required."
        ),
    )
    password: SecretStr = Field(
        default_factory=partial(SecretStr, ""),
        description=(
            "The password to use for authentication to the server. Unnecessary if SMTP login is not required."
        ),
    )
    smtp_server: SMTPServer | str = Field(
        default=SMTPServer.GMAIL,
        description=(
            "Either the hostname of the SMTP server, or one of the "
            "keys from the built-in SMTPServer Enum members, like 'gmail'."
        ),
        title="SMTP Server",
    )
    smtp_type: SMTPType | str = Field(
        default=SMTPType.SSL, description="Either 'SSL', 'STARTTLS', or 'INSECURE'.", title="SMTP Type"
    )
    smtp_port: int | None = Field(
        default=None, description="If provided, overrides the smtp_type's default port number.", title="SMTP Port"
    )
    verify: bool | None = Field(
        default=True, description="If `False`, SSL certificates will not be verified. Default to `True`."
    )

    @field_validator("smtp_server", mode="before")
    @classmethod
    def _known_server(cls, value: Any) -> Any:
        """Take ``gmail`` for Gmail's server; any other text is a host."""
        return SMTPServer.__members__.get(value.upper(), value) if isinstance(value, str) else value

    @field_validator("smtp_type", mode="before")
    @classmethod
    def _known_type(cls, value: Any) -> Any:
        """Take a name or a number for one of the three types, and nothing else."""
        if isinstance(value, SMTPType):
            return value
        by_name = SMTPType.__members__.get(str(value).upper())
        by_number = next((kind for kind in SMTPType if str(kind.value) == str(value)), None)
        found = by_name or by_number
        if found is None:
            raise ValueError(f"must be one of {', '.join(SMTPType.__members__)}, not {value!r}")
        return found

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the server."""
        host = self.smtp_server.value if isinstance(self.smtp_server, SMTPServer) else self.smtp_server
        return host, self.smtp_port if self.smtp_port is not None else self._type.value

    @property
    def _type(self) -> SMTPType:
        return SMTPType(self._known_type(self.smtp_type))

    def get_server(self) -> smtplib.SMTP:
        """A connection to the server, logged in if there is a username; use it as a context manager.

        Raises:
            MailError: one of its kinds, see ``blocks.mail_errors``.
        """
        host, port = self.address
        with translated(f"{host}:{port}"):
            server = self._connect(host, port)
            try:
                self._log_in(server)
            except BaseException:
                server.close()
                raise
            return server

    def _connect(self, host: str, port: int) -> smtplib.SMTP:
        if self._type is SMTPType.SSL:
            return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=self._tls())
        server = smtplib.SMTP(host, port, timeout=SECONDS)
        if self._type is SMTPType.STARTTLS:
            try:
                server.starttls(context=self._tls())
            except BaseException:
                server.close()
                raise
        return server

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _log_in(self, server: smtplib.SMTP) -> None:
        if self.username is None:
            return
        if self._type is SMTPType.INSECURE or not self.verify:
            self.logger.warning(
                "The password for %s goes over a connection that is not encrypted, or not to a verified server.",
                self.address[0],
            )
        server.login(self.username, self.password.get_secret_value())


def send(credentials: EmailServerCredentials, letter: Letter) -> EmailMessage:
    """Send a letter once; the message that went out.

    Raises:
        MailError: one of its kinds, see ``blocks.mail_errors``; nothing was sent.
    """
    message = compose(letter)
    host, port = credentials.address
    with credentials.get_server() as server, translated(f"{host}:{port}"):
        server.send_message(message, to_addrs=recipients_of(message))
    return message


class EitherTask(Task[P, R]):
    """A task for both kinds of callers; in async code it runs once in a worker thread, awaited or not."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task here and now; its result, or in async code an awaitable of it."""
        return dispatch(super().__call__, *args, **kwargs)


@EitherTask
def email_send_message(
    subject: str,
    msg: str,
    email_server_credentials: EmailServerCredentials,
    msg_plain: str | None = None,
    email_from: str | None = None,
    email_to: Addresses = None,
    email_to_cc: Addresses = None,
    email_to_bcc: Addresses = None,
    attachments: Sequence[str | Path] | None = None,
    inline_images: Mapping[str, str | Path] | None = None,
) -> EmailMessage:
    """Send a mail, once, whether called in sync code or with ``await`` in async code; the message.

    Args:
        subject: one line.
        msg: the contents as HTML.
        email_server_credentials: the server, and who logs in to it.
        msg_plain: the contents as plain text, for readers without HTML.
        email_from: the sender; by default the user name of the credentials.
        email_to, email_to_cc, email_to_bcc: addresses, separated by commas or in a list.
        attachments: files to attach.
        inline_images: pictures by the content id under which the HTML shows them (``<img src="cid:...">``).

    Raises:
        MailError: one of its kinds, see ``blocks.mail_errors``; nothing was sent.
    """
    letter = Letter(
        subject,
        msg,
        email_from or email_server_credentials.username,
        msg_plain,
        email_to,
        email_to_cc,
        email_to_bcc,
        attachments or (),
        inline_images or {},
    )
    return send(email_server_credentials, letter)
