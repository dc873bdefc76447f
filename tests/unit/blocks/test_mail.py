"""The fields of a mail server's block, and tasks for sync and async code."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.mail import EitherTask, EmailServerCredentials, SMTPServer, SMTPType
from orchestration import flow
from orchestration.sdk.context import test_harness


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, ("smtp.gmail.com", 465)),
        ({"smtp_server": "gmail", "smtp_type": "starttls"}, ("smtp.gmail.com", 587)),
        ({"smtp_server": "OUTLOOK", "smtp_type": 25}, ("smtp-mail.outlook.com", 25)),
        ({"smtp_server": "mail.example", "smtp_type": "INSECURE", "smtp_port": 2525}, ("mail.example", 2525)),
        ({"smtp_server": SMTPServer.YAHOO, "smtp_type": SMTPType.SSL}, ("smtp.mail.yahoo.com", 465)),
        ({"smtp_type": "587"}, ("smtp.gmail.com", 587)),
    ],
)
def test_server_and_port_follow_from_the_fields(given: dict[str, Any], address: tuple[str, int]) -> None:
    assert EmailServerCredentials(**given).address == address


@pytest.mark.parametrize("wrong", ["TLS", 26, None, ""])
def test_an_unknown_type_is_refused_with_the_known_ones(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="must be one of SSL, STARTTLS, INSECURE, not"):
        EmailServerCredentials(smtp_type=wrong)


def test_the_password_is_not_shown() -> None:
    assert "app-password" not in repr(EmailServerCredentials(password="app-password"))  # type: ignore[arg-type]


sent: list[str] = []


@EitherTask
def send(word: str) -> str:
    sent.append(word)
    return word.upper()


def test_a_task_for_both_runs_once_in_either_kind_of_flow() -> None:
    @flow
    def plain() -> str:
        word: str = send("plain")
        return word

    @flow
    async def asynchronous() -> str:
        send("forgotten")
        word: str = await send("awaited")
        return word

    sent.clear()
    with test_harness():
        assert plain() == "PLAIN"
        assert asyncio.run(asynchronous()) == "AWAITED"
    assert sorted(sent) == ["awaited", "forgotten", "plain"]
