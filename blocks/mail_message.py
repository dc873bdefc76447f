"""Mails as values: text, HTML with pictures, attachments, and headers that nobody can forge."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, getaddresses, make_msgid
from pathlib import Path

from blocks.mail_errors import MailHeaderError
from orchestration.sdk.logs import redact

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")

Addresses = str | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says and to whom; the addresses separated by commas or in a list."""

    subject: str
    html: str
    sender: str | None
    text: str | None = None
    to: Addresses = None
    cc: Addresses = None
    bcc: Addresses = None
    attachments: Sequence[str | Path] = ()
    inline_images: Mapping[str, str | Path] = field(default_factory=dict)


def compose(letter: Letter) -> EmailMessage:
    """The message of a letter; secret values that this process knows are masked in its texts.

    Raises:
        MailHeaderError: a line break in a header, no sender, or nobody to write to.
    """
    message = EmailMessage(SMTP)
    message["Subject"] = _one_line("subject", redact(letter.subject))
    message["From"] = _sender(letter.sender)
    recipients = {"To": letter.to, "Cc": letter.cc, "Bcc": letter.bcc}
    for header, addresses in recipients.items():
        if joined := _addresses(header, addresses):
            message[header] = joined
    if not any(header in message for header in recipients):
        raise MailHeaderError("The mail has no recipient; name one in email_to, email_to_cc or email_to_bcc.")
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="orchestration.local")
    _add_texts(message, letter)
    for path in map(Path, letter.attachments):
        _attach(message, path)
    return message


def recipients_of(message: EmailMessage) -> list[str]:
    """Every address that a message goes to."""
    headers = [str(value) for name in ("To", "Cc", "Bcc") for value in message.get_all(name, [])]
    return [address for _, address in getaddresses(headers) if address]


def _add_texts(message: EmailMessage, letter: Letter) -> None:
    """The texts, the richest last, as readers of mail expect."""
    if letter.text is not None:
        message.set_content(redact(letter.text))
    if letter.html:
        html = redact(letter.html)
        if letter.text is None:
            message.set_content(html, subtype="html")
        else:
            message.add_alternative(html, subtype="html")
    elif letter.text is None:
        message.set_content("")
    for cid, path in letter.inline_images.items():
        _add_picture(message, _one_line("content id", cid), Path(path))


def _add_picture(message: EmailMessage, cid: str, path: Path) -> None:
    """A picture that the HTML shows as ``cid:...``; it belongs to the HTML part alone."""
    kind, _ = mimetypes.guess_type(path.name)
    maintype, _, subtype = (kind or "image/png").partition("/")
    html = message.get_body(("html",))
    part = html if isinstance(html, EmailMessage) else message
    part = next((each for each in message.walk() if each.get_content_type() == "multipart/related"), part)
    part.add_related(path.read_bytes(), maintype, subtype, cid=f"<{cid}>", filename=path.name, disposition="inline")


def _attach(message: EmailMessage, path: Path) -> None:
    kind, encoding = mimetypes.guess_type(path.name)
    content = path.read_bytes()
    maintype, _, subtype = (kind if kind and not encoding else "application/octet-stream").partition("/")
    if maintype == "text":
        content = redact(content.decode(errors="surrogateescape")).encode(errors="surrogateescape")
    message.add_attachment(content, maintype, subtype, filename=_one_line("file name", path.name))


def _sender(sender: str | None) -> str:
    if not sender:
        raise MailHeaderError("The mail has no sender; give email_from, or a username in the EmailServerCredentials.")
    return _one_line("sender", sender)


def _addresses(header: str, addresses: Addresses) -> str:
    given = [addresses] if isinstance(addresses, str) else list(addresses or ())
    return ", ".join(_one_line(f"{header} address", address) for address in given if address.strip())


def _one_line(what: str, value: str) -> str:
    """The value, unless it would begin another header.

    Raises:
        MailHeaderError: it holds a line break or another control character.
    """
    if _CONTROL.search(value):
        raise MailHeaderError(
            f"The {what} {value!r} holds a line break or another control character, "
            "which could forge headers, so the mail was not sent; remove it."
        )
    return value
