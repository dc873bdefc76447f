"""A mail says what it was told to say, to whom it was told, and nothing that somebody smuggled in."""

from pathlib import Path
from typing import Any

import pytest

from blocks.mail_errors import MailHeaderError
from blocks.mail_message import Letter, compose, recipients_of
from orchestration.sdk.logs import remember_secret
from tests.support.forgetting import forget_secrets

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)


def letter(**given: Any) -> Letter:
    fields = {"subject": "Report", "html": "<p>Done</p>", "sender": "me@example.org", "to": "you@example.org"}
    return Letter(**{**fields, **given})


def shape(message: Any) -> Any:
    """The content types of a message, nested as its parts are."""
    if message.is_multipart():
        return [message.get_content_type(), *(shape(part) for part in message.iter_parts())]
    return message.get_content_type()


def test_html_alone() -> None:
    message = compose(letter())
    assert shape(message) == "text/html"
    assert message.get_content().strip() == "<p>Done</p>"
    assert (message["Subject"], message["From"], message["To"]) == ("Report", "me@example.org", "you@example.org")
    assert message["Message-ID"]
    assert message["Date"]


def test_text_comes_before_html() -> None:
    message = compose(letter(text="Done"))
    assert shape(message) == ["multipart/alternative", "text/plain", "text/html"]


def test_text_alone_and_nothing_at_all() -> None:
    assert shape(compose(letter(html="", text="Done"))) == "text/plain"
    assert compose(letter(html="")).get_content().strip() == ""


def test_pictures_belong_to_the_html_and_attachments_to_the_mail(tmp_path: Path) -> None:
    for name in ("one.png", "two.png", "rides.csv", "model.bin", "archive.tar.gz"):
        (tmp_path / name).write_bytes(PIXEL if name.endswith("png") else b"a,b\n")
    message = compose(
        letter(
            text="Done",
            inline_images={"first": tmp_path / "one.png", "second": str(tmp_path / "two.png")},
            attachments=[tmp_path / "rides.csv", str(tmp_path / "model.bin"), tmp_path / "archive.tar.gz"],
        )
    )
    related = ["multipart/related", "text/html", "image/png", "image/png"]
    assert shape(message) == [
        "multipart/mixed",
        ["multipart/alternative", "text/plain", related],
        "text/csv", "application/octet-stream", "application/octet-stream",
    ]  # fmt: skip
    pictures = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert [part["Content-ID"] for part in pictures] == ["<first>", "<second>"]
    assert [part.get_content_disposition() for part in pictures] == ["inline", "inline"]
    assert [part.get_filename() for part in message.iter_attachments()] == ["rides.csv", "model.bin", "archive.tar.gz"]
    assert pictures[0].get_payload(decode=True) == PIXEL


def test_pictures_without_a_text_part(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(PIXEL)
    message = compose(letter(inline_images={"first": tmp_path / "one.png"}))
    assert shape(message) == ["multipart/related", "text/html", "image/png"]


def test_everybody_named_gets_it() -> None:
    message = compose(letter(to="a@x.org, B <b@x.org>", cc=["c@x.org", "d@x.org"], bcc="e@x.org"))
    assert recipients_of(message) == ["a@x.org", "b@x.org", "c@x.org", "d@x.org", "e@x.org"]
    assert message["Cc"] == "c@x.org, d@x.org"
    assert recipients_of(compose(letter(to=None, bcc=["e@x.org"]))) == ["e@x.org"]


@pytest.mark.parametrize("nobody", [None, "", " ", [], [""]])
def test_somebody_must_get_it(nobody: Any) -> None:
    with pytest.raises(MailHeaderError, match="The mail has no recipient; name one in email_to"):
        compose(letter(to=nobody))


@pytest.mark.parametrize("nobody", [None, ""])
def test_somebody_must_send_it(nobody: str | None) -> None:
    with pytest.raises(MailHeaderError, match="The mail has no sender; give email_from"):
        compose(letter(sender=nobody))


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r", "\0", "\x0b", "\x85", "\u2028"])
@pytest.mark.parametrize("field", ["subject", "sender", "to", "cc", "bcc", "inline_images"])
def test_no_line_break_makes_a_header(field: str, break_: str, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(PIXEL)
    hostile = f"x@x.org{break_}Bcc: victim@x.org"
    value: Any = {hostile: tmp_path / "one.png"} if field == "inline_images" else hostile
    with pytest.raises(MailHeaderError, match="holds a line break or another control character"):
        compose(letter(**{field: value}))
    if field in ("to", "cc", "bcc"):
        with pytest.raises(MailHeaderError):
            compose(letter(**{field: ["fine@x.org", hostile]}))


def test_letters_of_the_world_survive() -> None:
    message = compose(letter(subject="Größe: 日本 ✓", html="<p>日本</p>", to="Jürgen <j@x.org>"))
    sent = message.as_bytes()
    assert b"\xe6" not in sent.partition(b"\r\n\r\n")[0]
    assert message["Subject"] == "Größe: 日本 ✓"
    assert recipients_of(message) == ["j@x.org"]


def test_known_secrets_are_masked_everywhere(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("key hush-hush-1 used")
    remember_secret("hush-hush-1")
    try:
        message = compose(
            letter(
                subject="hush-hush-1", html="<b>hush-hush-1</b>", text="hush-hush-1", attachments=[tmp_path / "log.txt"]
            )
        )
    finally:
        forget_secrets()
    decoded = [str(part.get_content()) for part in message.walk() if not part.is_multipart()]
    assert [text for text in [message["Subject"], *decoded] if "hush-hush-1" in text] == []
    assert "key ******** used" in decoded[-1]
