"""``orchestrate task-run``."""

from orchestration.cli.kinds import Kind, group
from orchestration.cli.output import columns
from orchestration.cli.runs import add_run_commands

COLUMNS = columns("ID id exact", "Name name text", "State state.name exact", "Started start_time time")
KIND = Kind("task_runs", "task run", COLUMNS)
app = group(KIND, "List task runs, and read their logs.", "inspect")
add_run_commands(app, KIND, "task_runs", "--task-run-name")
