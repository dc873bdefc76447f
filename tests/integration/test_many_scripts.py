"""Two hundred scripts at once on one SQLite file: none is turned away, and nothing is lost."""

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from orchestration.backend.connect import open_backend
from orchestration.domain.settings import Settings
from tests.support.listings import flow_runs, logs, task_runs

SCRIPTS = 200
ROOT = Path(__file__).parents[2]


def test_two_hundred_scripts_at_once(tmp_path: Path) -> None:
    crowd = subprocess.run(
        [sys.executable, "-m", "tests.support.crowd", str(SCRIPTS)],
        cwd=ROOT, env={**os.environ, "ORCHESTRATION_HOME": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    ended = json.loads(crowd.stdout)
    with closing(open_backend(Settings(tmp_path), dict)) as backend:
        runs = flow_runs(backend, limit=SCRIPTS + 1)
        tasks = task_runs(backend, limit=2 * SCRIPTS + 1)
        wanted = {"logs": {"text": {"query": "script"}}}
        lines = Counter(line.message for line in logs(backend, wanted, limit=10 * SCRIPTS))
        counts = {
            **ended,
            "database is locked": crowd.stderr.lower().count("locked"),
            "flow runs": dict(Counter(run.state_name for run in runs)),
            "flow run states": dict(Counter(state.name for run in runs for state in backend.flow_run_states(run.id))),
            "task runs": dict(Counter(run.state_name for run in tasks)),
            "task run states": dict(Counter(state.name for run in tasks for state in backend.task_run_states(run.id))),
            "log lines": sum(lines.values()),
        }
    sys.stdout.write(json.dumps(counts, indent=1))
    del counts["seconds"]
    assert counts == {
        "scripts": SCRIPTS,
        "failed": 0,
        "database is locked": 0,
        "flow runs": {"Completed": SCRIPTS},
        "flow run states": {"Pending": SCRIPTS, "Running": SCRIPTS, "Completed": SCRIPTS},
        "task runs": {"Completed": 2 * SCRIPTS},
        "task run states": {"Pending": 2 * SCRIPTS, "Running": 2 * SCRIPTS, "Completed": 2 * SCRIPTS},
        "log lines": 3 * SCRIPTS,
    }, crowd.stderr[-2_000:]
    assert len(runs) == len({run.parameters["number"] for run in runs}), "each script's run is its own"
    expected = {
        f"script {number}, {who}": count for number in range(SCRIPTS) for who, count in (("flow", 1), ("task", 2))
    }
    assert lines == expected
