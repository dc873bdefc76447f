"""The root of the command line: its help, its exit codes, and what it loads."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from orchestration.cli.app import GROUPS, SHORT, app
from orchestration.domain.settings import CHOICE
from tests.support.command_line import asked, orchestrate

ROOT = Path(__file__).parents[3]
HEAVY = {"boto3", "fastapi", "httpx", "pydantic", "rich", "sqlalchemy", "sqlite3", "uvicorn", "orchestration.sdk"}


def _loaded_by(*words: str) -> set[str]:
    program = (
        "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        f"sys.argv = ['orchestrate', *{words!r}]; from orchestration.cli.app import app; app()"
    )
    own = {name: value for name, value in os.environ.items() if name.startswith("ORCHESTRATION_")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, env=own
    )
    return set(done.stderr.split())


def test_help_loads_no_group_and_nothing_heavy() -> None:
    loaded = _loaded_by("--help")
    assert loaded.isdisjoint(HEAVY)
    assert {name for name in loaded if name.startswith("orchestration.cli.")} == {"orchestration.cli.app"}


def test_the_version_opens_no_store() -> None:
    assert _loaded_by("version").isdisjoint(HEAVY)


def test_a_command_loads_its_own_group_only() -> None:
    loaded = _loaded_by("flow-run", "ls")
    assert loaded.isdisjoint({"fastapi", "httpx", "pydantic", "rich", "orchestration.sdk", "orchestration.cli.server"})
    assert "orchestration.cli.runs" in loaded


def test_help_names_every_group() -> None:
    text = orchestrate("--help")
    assert [name for name, said in GROUPS.items() if "module" in said and f"  {name} " not in text] == []
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", [*(name for name in GROUPS if " " not in name), "gcl"])
def test_every_group_and_command_explains_itself(name: str) -> None:
    root: Any = get_command(app)
    group = root.get_command(None, name)
    assert name in root.list_commands(None) or name in SHORT
    commands = getattr(group, "commands", {})
    assert orchestrate(name, "--help").startswith(f"Usage: orchestrate {name}")
    for command in commands:
        text = orchestrate(name, command, "--help")
        assert len(text.partition("\n\n")[2].partition("\n")[0].strip()) > 10, text


def test_as_a_module_it_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", "version", "--json"],
        cwd=ROOT, capture_output=True, text=True, check=True, env=dict(os.environ),
    )  # fmt: skip
    assert '"Server type": "ephemeral"' in done.stdout


@pytest.mark.parametrize(
    "words", [["nope"], ["flow", "nope"], ["flow", "ls", "--nope"], ["flow", "inspect"], ["flow", "ls", "--limit", "0"]]
)
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    assert "Usage: orchestrate" in orchestrate(*words, code=2)


def test_a_failure_ends_with_1_and_a_sentence_that_says_what_to_do() -> None:
    said = orchestrate("flow", "inspect", "nope", code=1)
    assert said == "There is no flow 'nope'; list them with `orchestrate flow ls`.\n"


def test_a_profile_may_be_chosen_for_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CHOICE, "")
    orchestrate("profile", "create", "team")
    assert asked("--profile", "team", "version")["Profile"] == "team"
    assert "'nope'" in orchestrate("--profile", "nope", "flow", "ls", code=1)


def test_the_version_tells_where_runs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not made yet" in asked("version")["Database"]
    orchestrate("flow", "ls")
    assert asked("version")["Database"].startswith("sqlite, 0.")
    monkeypatch.setenv("ORCHESTRATION_DATABASE_URL", "postgresql://ann:hush@db/x")
    assert asked("version")["Database"] == "postgresql"
    monkeypatch.setenv("ORCHESTRATION_API_URL", "https://api.prefect.cloud/api/accounts/a/workspaces/w")
    told = asked("version")
    assert (told["Server type"], told["Server"][:26]) == ("cloud", "https://api.prefect.cloud/")
