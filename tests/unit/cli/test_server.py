"""The database from the command line."""

import os
from pathlib import Path

from orchestration.cli.kinds import opened
from tests.support.command_line import asked, orchestrate


def _home() -> Path:
    return Path(os.environ["ORCHESTRATION_HOME"])


def test_the_database_is_made_anew_and_a_copy_kept() -> None:
    orchestrate("variable", "set", "n", "1")
    assert "--yes" in orchestrate("server", "database", "reset", code=2)
    orchestrate("server", "database", "reset", "-y")
    assert asked("variable", "ls") == []
    assert len(list(_home().glob("*.before-reset-*"))) == 1


def test_the_database_is_brought_up_to_date() -> None:
    assert "the newest" in orchestrate("server", "database", "upgrade")
    with opened() as backend:
        assert backend.count("variables") == 0
