"""``orchestrate work-pool`` and ``work-queue``."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.cli.kinds import Kind, Name, Pool, add_limit, changed, group
from orchestration.cli.output import columns
from orchestration.cli.store import opened
from orchestration.cli.variables import Overwrite
from orchestration.domain.errors import ConfigurationError

POOL_COLUMNS = columns(
    "Name name text", "Type type text", "Status status exact", "Limit concurrency_limit exact", "ID id exact"
)
POOL = Kind("work_pools", "work pool", POOL_COLUMNS, kept_by="name", limit=200)
PAUSES = {"pause": {"is_paused": True}, "resume": {"is_paused": False}}
work_pool = group(POOL, "Make and manage work pools.", "ls inspect delete", **PAUSES)
add_limit(work_pool, POOL)

Template = Annotated[Path | None, typer.Option("--base-job-template", help="A JSON file.", exists=True, dir_okay=False)]
Paused = Annotated[bool, typer.Option(help="Let no worker start its runs yet.")]
Type = Annotated[str, typer.Option("--type", "-t", help="What its workers start.")]
MaybeSlots = Annotated[int | None, typer.Option(help="How many runs at once.", min=0)]
Text = Annotated[str | None, typer.Option(help="What it is for.")]


@work_pool.command("create")
def create_pool(
    name: str, base_job_template: Template = None, paused: Paused = False, type_: Type = "process",
    overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Make a work pool."""
    POOL.create({"name": name, "type": type_, "is_paused": paused, **_template(base_job_template)}, overwrite)


@work_pool.command("update")
def update_pool(
    name: Name, base_job_template: Template = None, concurrency_limit: MaybeSlots = None, description: Text = None
) -> None:
    """Change a work pool."""
    given = {"concurrency_limit": concurrency_limit, "description": description, **_template(base_job_template)}
    changed(POOL, name, {field: value for field, value in given.items() if value is not None})


def _template(path: Path | None) -> dict[str, Any]:
    try:
        return {} if path is None else {"base_job_template": json.loads(path.read_text(encoding="utf-8"))}
    except ValueError as error:
        raise ConfigurationError(f"The file {path} is not JSON: {error}.") from None


QUEUE_COLUMNS = columns(
    "Name name text", "Pool work_pool_name text", "Priority priority exact", "Limit concurrency_limit exact",
    "ID id exact",
)  # fmt: skip
QUEUE = Kind("work_queues", "work queue", QUEUE_COLUMNS, limit=200, has_pool=True)
work_queue = group(QUEUE, "Make and manage the queues of work pools.", "ls inspect delete", **PAUSES)
add_limit(work_queue, QUEUE)

QueueSlots = Annotated[int | None, typer.Option("--limit", "-l", help="How many runs at once.", min=0)]
Priority = Annotated[int | None, typer.Option("--priority", "-q", help="1 is the most urgent.", min=1)]
DEFAULT_POOL = "default-agent-pool"
"""The pool that Prefect means when none is named."""


@work_queue.command("create")
def create_queue(name: str, limit: QueueSlots = None, pool: Pool = None, priority: Priority = None) -> None:
    """Make a queue in a work pool."""
    with opened() as backend:
        there = POOL.one(backend, pool or DEFAULT_POOL)
    QUEUE.create({"name": name, "work_pool_id": there["id"], "concurrency_limit": limit, "priority": priority})
