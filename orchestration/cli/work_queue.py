"""``orchestrate work-queue``."""

from typing import Annotated

import typer

from orchestration.cli import work_pool
from orchestration.cli.kinds import Kind, Pool, add_limit, group
from orchestration.cli.output import columns
from orchestration.cli.store import opened

COLUMNS = columns(
    "Name name text", "Pool work_pool_name text", "Priority priority exact", "Limit concurrency_limit exact",
    "ID id exact",
)  # fmt: skip
KIND = Kind("work_queues", "work queue", COLUMNS, limit=200, has_pool=True)
app = group(KIND, "Make and manage the queues of work pools.", "ls inspect delete", **work_pool.PAUSES)
add_limit(app, KIND)

MaybeSlots = Annotated[int | None, typer.Option("--limit", "-l", help="How many runs at once.", min=0)]
Priority = Annotated[int | None, typer.Option("--priority", "-q", help="1 is the most urgent.", min=1)]
DEFAULT_POOL = "default-agent-pool"
"""The pool that Prefect means when none is named."""


@app.command("create")
def create(name: str, limit: MaybeSlots = None, pool: Pool = None, priority: Priority = None) -> None:
    """Make a queue in a work pool."""
    with opened() as backend:
        there = work_pool.KIND.one(backend, pool or DEFAULT_POOL)
        given = {"name": name, "work_pool_id": there["id"], "concurrency_limit": limit, "priority": priority}
        backend.create("work_queues", {key: value for key, value in given.items() if value is not None})
    typer.echo(f"Made work queue {name!r} in the work pool {there['name']!r}.")
