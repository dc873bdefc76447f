"""A flow of no-op tasks, and what another connection finds in the store at the moment when the flow returns."""

import json
import os
import sqlite3
import sys
from pathlib import Path

from orchestration import flow, task


@task
def noop(number: int) -> int:
    """What it was given."""
    return number


@flow
def run_tasks(how: str, count: int) -> None:
    """Run so many tasks: called, submitted or mapped."""
    if how == "call":
        for number in range(count):
            noop(number)
    elif how == "submit":
        for future in [noop.submit(number) for number in range(count)]:
            future.result()
    else:
        noop.map(list(range(count))).result()


if __name__ == "__main__":
    run_tasks(sys.argv[1], int(sys.argv[2]))
    store = sqlite3.connect(Path(os.environ["ORCHESTRATION_HOME"]) / "orchestration.db")
    queries = {
        "completed task runs": "SELECT count(*) FROM task_run WHERE state_type = 'COMPLETED'",
        "task runs with a log line": "SELECT count(DISTINCT task_run_id) FROM log",
    }
    print(json.dumps({name: store.execute(query).fetchone()[0] for name, query in queries.items()}))
