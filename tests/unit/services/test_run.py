"""The program of a run, as people may start it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.serving import ROOT


@pytest.mark.parametrize("words", [[], ["nonsense"]])
def test_without_the_id_of_a_run_one_sentence_asks_for_it(words: list[str]) -> None:
    command = [sys.executable, "-m", "orchestration.services.run", *words]
    done = subprocess.run(command, cwd=ROOT, input="", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Name a flow run by its id, one of those that `orchestrate flow-run ls --json` shows.\n"
