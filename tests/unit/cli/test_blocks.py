"""Blocks from the command line: listing, registering types, and a new key for their secrets."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from orchestration import Secret
from orchestration.backend import blocks as kept
from orchestration.sdk.context import close_session
from tests.support.command_line import asked, orchestrate, table

DEFINITION = '''
from __future__ import annotations

from orchestration import Block


class Depot(Block):
    """Where cabs sleep."""

    gate: int = 3


class Fleet(Block):
    depot: Depot | None = None
'''


@pytest.fixture(autouse=True)
def _saved() -> Iterator[None]:
    """One secret, saved by this process, which then leaves the store to the commands."""
    Secret(value=SecretStr("hush-hush")).save("token")
    close_session()
    yield
    close_session()


def test_blocks_are_listed_and_shown_without_their_secrets() -> None:
    (saved,) = asked("block", "ls")
    assert table("block", "ls")[1] == [saved["id"], "secret/token"]
    for name in ("secret/token", saved["id"]):
        assert asked("block", "inspect", name)["data"] == {"value": "********"}
    assert "hush" not in orchestrate("block", "inspect", "secret/token")


def test_a_block_is_deleted() -> None:
    orchestrate("block", "delete", "secret/token")
    assert asked("block", "ls") == []
    assert "block ls" in orchestrate("block", "delete", "secret/token", code=1)
    assert "block ls" in orchestrate("block", "delete", "token", code=1)


def test_the_types_of_a_file_are_registered(tmp_path: Path) -> None:
    file = tmp_path / "depots.py"
    file.write_text(DEFINITION)
    assert orchestrate("block", "register", "--file", file) == "Registered 2 block type(s): Depot, Fleet.\n"
    assert asked("block", "type", "inspect", "depot")["description"] == "Where cabs sleep."
    assert [row[0] for row in table("block", "type", "ls")[1:]] == ["depot", "fleet", "secret"]


def test_what_defines_no_blocks_is_told_of(tmp_path: Path) -> None:
    assert "--file" in orchestrate("block", "register", code=2)
    (tmp_path / "depots.py").write_text("import no_such_module\n")
    assert "depots.py cannot be imported" in orchestrate("block", "register", "-f", tmp_path / "depots.py", code=1)


def test_secrets_open_with_the_new_key_and_not_with_the_old() -> None:
    key_file = Path(os.environ["ORCHESTRATION_HOME"]) / "encryption.key"
    before = key_file.read_text()
    assert str(key_file) in orchestrate("block", "rotate-key")
    assert key_file.read_text() != before
    assert Secret.load("token").get() == "hush-hush"


def test_a_key_from_the_environment_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    key_file = Path(os.environ["ORCHESTRATION_HOME"]) / "encryption.key"
    monkeypatch.setenv("ORCHESTRATION_ENCRYPTION_KEY", key_file.read_text().strip())
    told = orchestrate("block", "rotate-key").strip()
    monkeypatch.setenv("ORCHESTRATION_ENCRYPTION_KEY", told.partition("ENCRYPTION_KEY=")[2])
    assert Secret.load("token").get() == "hush-hush"


def test_a_wrong_key_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATION_ENCRYPTION_KEY", kept.new_key())
    said = orchestrate("block", "rotate-key", code=1)
    assert "ORCHESTRATION_ENCRYPTION_KEY" in said
    assert said.count("\n") == 1
