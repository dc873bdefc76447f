"""``python -m orchestration.cli``: the same as ``orchestrate``."""

from orchestration.cli.app import app

app(prog_name="orchestrate")
