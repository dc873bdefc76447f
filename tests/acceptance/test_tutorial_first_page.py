"""The tutorial's first page: ``add_two_numbers.py`` fails once, is retried, completes, and is there to be looked at."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import random

from orchestration import flow, task


@task(name="Add two numbers", retry_delay_seconds=2, retries=3)
def add(x: int, y: int) -> int:
    # Simulate a random error.
    if random.random() < 0.2:
        raise ValueError("Something went wrong")
    return x + y


@flow(name="Main flow")
def main_flow(number_a: int = 1, number_b: int = 1) -> int:
    return add(number_a, number_b)


if __name__ == "__main__":
    random.seed(1)  # draws 0.13, then 0.85: the first attempt fails, the second does not
    print(main_flow())
"""

LOOK = """
import json

from orchestration import get_client

with get_client(sync_client=True) as client:
    (flow_run,), (task_run,) = client.read_flow_runs(), client.read_task_runs()
    print(json.dumps({
        "flow": flow_run.flow_name,
        "name": flow_run.name,
        "parameters": flow_run.parameters,
        "flow_states": [state.name for state in client.read_flow_run_states(flow_run.id)],
        "task_states": [state.name for state in client.read_task_run_states(task_run.id)],
        "attempts": task_run.run_count,
        "logs": [log.message for log in client.read_logs()],
    }))
"""

LINE = re.compile(
    r"(?P<time>\d\d:\d\d:\d\d\.\d{3}) \| (?P<level>[A-Z]+) *\| (?P<run>(Flow|Task) run '[^']+') - (?P<message>.+)"
)


@dataclass(frozen=True, slots=True)
class FirstPage:
    """What the script printed, and what a process that comes later finds in the store."""

    result: str
    lines: list[dict[str, str]]
    stored: dict[str, Any]


def _python(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"ORCHESTRATION_HOME": str(home)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=home.parent, env=environment, capture_output=True, text=True, check=True
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> FirstPage:
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "add_two_numbers.py").write_text(SCRIPT)
    ran = _python(folder / "home", "add_two_numbers.py")
    matches = [LINE.fullmatch(line) for line in ran.stderr.splitlines()]
    assert all(matches), ran.stderr
    stored = json.loads(_python(folder / "home", "-c", LOOK).stdout)
    return FirstPage(ran.stdout.strip(), [match.groupdict() for match in matches if match], stored)


def test_the_flow_gives_its_result(page: FirstPage) -> None:
    assert page.result == "2"


def test_the_console_tells_the_story(page: FirstPage) -> None:
    flow_run, task_run = f"Flow run '{page.stored['name']}'", "Task run 'Add two numbers-"
    retried = "failed with exception: ValueError('Something went wrong') - Retry 1/3 will start 2 second(s) from now"
    begin, failed, done, ended = page.lines
    assert (begin["run"], begin["message"]) == (flow_run, f"Beginning {flow_run.lower()} for flow 'Main flow'")
    assert (failed["run"].startswith(task_run), failed["message"]) == (True, f"Task run {retried}")
    assert (done["run"].startswith(task_run), done["message"]) == (True, "Finished in state Completed()")
    assert (ended["run"], ended["message"]) == (flow_run, "Finished in state Completed()")
    assert {line["level"] for line in page.lines} == {"INFO"}


def test_the_store_holds_the_run(page: FirstPage) -> None:
    assert page.stored["flow"] == "Main flow"
    assert re.fullmatch(r"[a-z]+-[a-z]+", page.stored["name"])
    assert page.stored["parameters"] == {"number_a": 1, "number_b": 1}


def test_the_store_holds_the_retry(page: FirstPage) -> None:
    assert page.stored["flow_states"] == ["Pending", "Running", "Completed"]
    assert page.stored["task_states"] == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
    assert page.stored["attempts"] == 2


def test_the_store_holds_what_the_console_said(page: FirstPage) -> None:
    assert page.stored["logs"] == [line["message"] for line in page.lines]


def test_names_are_not_drawn_from_the_users_random_numbers(tmp_path: Path) -> None:
    """A seeded script draws the same numbers with the engine as without it, and its runs get names of their own."""
    program = (
        "import random\nfrom orchestration import flow, runtime\n"
        "@flow\ndef draw():\n    return random.random(), runtime.flow_run.name\n"
        "random.seed(1)\nprint(*draw())\nrandom.seed(1)\nprint(*draw())\nrandom.seed(1)\nprint(random.random())\n"
    )
    first, second, bare = (line.split() for line in _python(tmp_path / "home", "-c", program).stdout.splitlines())
    assert first[0] == second[0] == bare[0]
    assert first[1] != second[1]
