"""What can go wrong with a mail, each with the sentence that says what to do.

::

    MailError
    ├── MailHeaderError          a subject or an address that would forge headers, or nobody to write to
    ├── MailConnectionError      the server cannot be reached, or hung up
    ├── MailSecurityError        the server's certificate is not trusted, or it offers no encryption
    ├── MailLoginError           the server refuses the user name or password
    └── MailRefusedError         the server refuses the sender, a recipient or the message
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from orchestration.domain.errors import OrchestrationError
from orchestration.sdk.logs import redact


class MailError(OrchestrationError):
    """A mail could not be sent."""

    is_users_mistake = True


class MailHeaderError(MailError, ValueError):
    """A header would forge others, or there is nobody to write to."""


class MailConnectionError(MailError):
    """The server cannot be reached, or hung up."""


class MailSecurityError(MailError):
    """The connection would not be safe."""


class MailLoginError(MailError):
    """The server refuses the user name or password."""


class MailRefusedError(MailError):
    """The server refuses the sender, a recipient or the message."""


@contextmanager
def translated(server: str) -> Iterator[None]:
    """Let what the block raises reach the user as one of the errors above; ``server`` is ``host:port``."""
    try:
        yield
    except (OSError, smtplib.SMTPException) as error:
        raise explained(error, server) from error


def explained(error: Exception, server: str) -> MailError:
    """The error that a user should see for one of ``smtplib`` or the network."""
    for kind, told, sentence in _SENTENCES:
        if isinstance(error, kind):
            return told(sentence.format(server=server, answer=_answer(error)))
    return MailError(f"The mail could not be sent through {server}: {_answer(error)}.")


def _answer(error: Exception) -> str:
    """What went wrong, in the server's words where it gave some."""
    match error:
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            return ", ".join(recipients)
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=text):
            return redact(f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}".strip())
        case ssl.SSLCertVerificationError(verify_message=text):
            return text
    return redact(str(error)).rstrip(".")


_SENTENCES: tuple[tuple[type[Exception], type[MailError], str], ...] = (
    (
        ssl.SSLCertVerificationError,
        MailSecurityError,
        "The certificate of the mail server {server} is not trusted ({answer}); "
        "correct smtp_server, or set verify=False if you know the server.",
    ),
    (
        ssl.SSLError,
        MailSecurityError,
        "The mail server {server} does not speak TLS there ({answer}); "
        "choose the smtp_type (SSL, STARTTLS or INSECURE) that belongs to this port.",
    ),
    (
        smtplib.SMTPNotSupportedError,
        MailSecurityError,
        "The mail server {server} does not offer what is asked of it ({answer}); "
        "choose the smtp_type that it supports, or leave out the username if it wants none.",
    ),
    (
        smtplib.SMTPAuthenticationError,
        MailLoginError,
        "The mail server {server} refuses the user name or password ({answer}); "
        "correct them in the block (for Gmail the password must be an App Password).",
    ),
    (
        smtplib.SMTPRecipientsRefused,
        MailRefusedError,
        "The mail server {server} refuses the recipients {answer}; correct the addresses.",
    ),
    (
        smtplib.SMTPServerDisconnected,
        MailConnectionError,
        "The mail server {server} hung up ({answer}); check smtp_port and smtp_type, then run again.",
    ),
    (smtplib.SMTPException, MailRefusedError, "The mail server {server} refuses the mail: {answer}."),
    (
        OSError,
        MailConnectionError,
        "The mail server {server} cannot be reached ({answer}); check smtp_server, smtp_port and the network.",
    ),
)
"""Which error becomes which, the most particular first (``SMTPException`` is an ``OSError``)."""
