"""``orchestrate concurrency-limit``."""

import typer

from orchestration.cli.kinds import Slots, group
from orchestration.cli.limits import TAG, Limits
from orchestration.cli.output import columns
from orchestration.cli.store import opened

COLUMNS = columns("ID id exact", "Tag tag text", "Limit limit exact", "In use active_slots exact")
KIND = Limits("concurrency_limits", "concurrency limit", COLUMNS, key="tag")
app = group(KIND, "Limit how many tasks with a tag run at once.", "ls inspect delete")


@app.command("create")
def create(tag: str, concurrency_limit: Slots) -> None:
    """Limit how many tasks with a tag run at once; a limit that is there is changed."""
    with opened() as backend:
        backend.set_concurrency_limit(TAG + tag, concurrency_limit)
    typer.echo(f"Of the tasks with the tag {tag!r}, {concurrency_limit} run at a time.")


@app.command("reset")
def reset(tag: str) -> None:
    """Free all slots of a limit, whoever holds them."""
    with opened() as backend:
        limit = KIND.one(backend, tag)
        KIND.delete(backend, limit)
        KIND.change(backend, limit, {})
    typer.echo(f"Freed the slots of the tag {tag!r}.")
