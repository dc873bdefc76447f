"""Every way in which a mail server can fail has its own sentence."""

import smtplib
import ssl

import pytest

from blocks import mail_errors as own
from blocks.mail_errors import explained, translated

SERVER = "mail.example:587"


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (
            untrusted(),
            own.MailSecurityError,
            "The certificate of the mail server mail.example:587 is not trusted (self-signed certificate); correct "
            "smtp_server, or set verify=False if you know the server.",
        ),
        (ssl.SSLError(1, "wrong version number"), own.MailSecurityError, "does not speak TLS there"),
        (smtplib.SMTPNotSupportedError("no STARTTLS"), own.MailSecurityError, "does not offer what is asked"),
        (
            smtplib.SMTPAuthenticationError(535, b"5.7.8 bad credentials"),
            own.MailLoginError,
            "The mail server mail.example:587 refuses the user name or password (535 5.7.8 bad credentials); correct "
            "them in the block (for Gmail the password must be an App Password).",
        ),
        (
            smtplib.SMTPRecipientsRefused({"a@x.org": (550, b"no"), "b@x.org": (550, b"no")}),
            own.MailRefusedError,
            "refuses the recipients a@x.org, b@x.org; correct the addresses.",
        ),
        (smtplib.SMTPServerDisconnected("gone"), own.MailConnectionError, "hung up (gone); check smtp_port"),
        (smtplib.SMTPDataError(552, "too big"), own.MailRefusedError, "refuses the mail: 552 too big."),
        (smtplib.SMTPException("odd"), own.MailRefusedError, "refuses the mail: odd."),
        (ConnectionRefusedError(111, "refused"), own.MailConnectionError, "cannot be reached ([Errno 111] refused)"),
        (TimeoutError("timed out"), own.MailConnectionError, "cannot be reached (timed out)"),
        (ValueError("odd"), own.MailError, "The mail could not be sent through mail.example:587: odd."),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", None),
)
def test_each_failure_says_what_to_do(error: Exception, kind: type[Exception], sentence: str) -> None:
    told = explained(error, SERVER)
    assert type(told) is kind
    assert sentence in str(told)


def test_only_failures_of_mail_are_translated() -> None:
    with pytest.raises(KeyError), translated(SERVER):
        raise KeyError("mine")
    with pytest.raises(own.MailConnectionError) as caught, translated(SERVER):
        raise ConnectionResetError("reset")
    assert isinstance(caught.value.__cause__, ConnectionResetError)
