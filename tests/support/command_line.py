"""The command line, called in this process as a shell would call it."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from orchestration.cli.app import app
from orchestration.sdk.context import close_session

WIDTH = 80


def orchestrate(*words: object, code: int = 0, stdin: str = "") -> str:
    """What a command prints; where it is to fail, the sentence that it ends with.

    Nobody types a table that does not fit a terminal, and nobody sees a traceback.
    """
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="orchestrate", input=stdin)
    close_session()  # as the end of a command's process does
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout + result.stderr if code else result.stdout


def asked(*words: object) -> Any:
    """What a command prints with ``--json``; with Prefect's spelling it prints the same, but for times that pass."""
    document, other = (json.loads(orchestrate(*words, *spelt)) for spelt in (["--json"], ["-o", "json"]))
    assert len(document) == len(other)
    return document


def table(*words: object) -> list[list[str]]:
    """The rows of a table, its head first."""
    lines = orchestrate(*words).splitlines()
    assert max(map(len, lines), default=0) <= WIDTH
    return [line.split() for line in lines]
