"""What people keep by hand: ``orchestrate artifact``, ``variable``, ``block``, work pools, queues and limits."""

from __future__ import annotations

import json
import runpy
import sys
from abc import ABC
from dataclasses import asdict
from functools import partial
from inspect import isabstract
from pathlib import Path
from typing import Annotated

import typer

from orchestration.backend.blocks import LocalBlockStore
from orchestration.backend.surroundings import current_settings
from orchestration.cli.kinds import Slots, group, is_id, kind_of, store, value_of
from orchestration.cli.output import AsJson, Limit, Yes, columns, may, print_documents
from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists, OrchestrationError
from orchestration.domain.schemas import filters, wire

# -- artifacts ------------------------------------------------------------------------------------

ARTIFACT = kind_of("artifact")
artifact = group(ARTIFACT)


@artifact.command("inspect")
def inspect_artifact(key: str, limit: Limit = 10, as_json: AsJson = False) -> None:
    """Show the versions of an artifact, newest first."""
    print_documents(_versions(key)[:limit], (*ARTIFACT.columns, *columns("Data data text")), as_json, "")


@artifact.command("delete")
def delete_artifact(key: str, yes: Yes = False) -> None:
    """Delete all versions of an artifact, or by its id one."""
    versions = _versions(key)
    may(f"Delete {len(versions)} version(s)?", yes)
    for each in versions:
        store().delete("artifacts", id=each["id"])
    typer.echo(f"Deleted {len(versions)} version(s) of the artifact {key!r}.")


def _versions(key: str) -> list[wire.Document]:
    where = filters.among("artifacts", **{"id" if is_id(key) else "key": [key]})
    return store().find("artifacts", filters.Query(where, "ID_DESC", sys.maxsize)) or [ARTIFACT.missing(key)]


# -- variables ------------------------------------------------------------------------------------

VARIABLE = kind_of("variable")
variable = group(VARIABLE)

Value = Annotated[str, typer.Argument(help="JSON, or a text.")]
Overwrite = Annotated[bool, typer.Option(help="Change it if it is there.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag; may be given several times.")]


@variable.command("get")
def get_variable(name: str) -> None:
    """Print the value of a variable, as JSON."""
    typer.echo(json.dumps(VARIABLE.one(name)["value"], ensure_ascii=False))


@variable.command("set")
def set_variable(name: str, value: Value, overwrite: Overwrite = False, tag: Tags = None) -> None:
    """Set a variable."""
    VARIABLE.create({"name": name, "value": value_of(value), "tags": tag or []}, overwrite)


# -- work pools and queues ------------------------------------------------------------------------

POOL, QUEUE = kind_of("work-pool"), kind_of("work-queue")
work_pool, work_queue = group(POOL), group(QUEUE)

Paused = Annotated[bool, typer.Option(help="Let no worker start its runs yet.")]
Type = Annotated[str, typer.Option("--type", "-t", help="What its workers start.")]
Pool = Annotated[str, typer.Option("--pool", "-p", help="The name of its work pool.")]
Priority = Annotated[int | None, typer.Option("--priority", "-q", help="1 is the most urgent.", min=1)]


@work_pool.command("create")
def create_pool(name: str, type_: Type = "process", paused: Paused = False, overwrite: Overwrite = False) -> None:
    """Make a work pool."""
    POOL.create({"name": name, "type": type_, "is_paused": paused}, overwrite)


@work_queue.command("create")
def create_queue(name: str, pool: Pool = "default-agent-pool", priority: Priority = None) -> None:
    """Make a queue in a work pool; without --pool in the one that Prefect means."""
    QUEUE.create({"name": name, "work_pool_id": POOL.one(pool)["id"], "priority": priority})


# -- concurrency limits: one list, told apart by the names in it ----------------------------------

# How the name of a limit on a tag begins, here as with Prefect.
TAG = "tag:"


def _limits(on_tags: bool) -> list[wire.Document]:
    every = [{**wire.plain(asdict(each)), "tag": each.name.removeprefix(TAG)} for each in store().concurrency_limits()]
    return [each for each in every if each["name"].startswith(TAG) == on_tags]


def _save_limit(new: wire.Document) -> None:
    fields = ("name", "limit", "slot_decay_per_second", "active")
    store().create("concurrency_limits", {field: new[field] for field in fields if field in new}, overwrite=True)


def _remove_limit(limit: wire.Document) -> None:
    store().delete("concurrency_limits", name=limit["name"])


ON_TAG = kind_of("concurrency-limit", rows=partial(_limits, True), remove=_remove_limit)
NAMED = kind_of("global-concurrency-limit", rows=partial(_limits, False), save=_save_limit, remove=_remove_limit)
concurrency_limit, global_concurrency_limit = group(ON_TAG), group(NAMED)

Total = Annotated[int, typer.Option("--limit", "-l", help="How many slots there are.", min=0)]
NewTotal = Annotated[int | None, typer.Option("--limit", "-l", help="How many slots there are.", min=0)]
Decay = Annotated[float | None, typer.Option("--slot-decay-per-second", help="Slots that come back a second.", min=0)]


@concurrency_limit.command("create")
def limit_tag(tag: str, concurrency_limit: Slots) -> None:
    """Limit how many tasks with a tag run at once; a limit that is there is changed."""
    _save_limit({"name": TAG + tag, "limit": concurrency_limit})
    typer.echo(f"Of the tasks with the tag {tag!r}, {concurrency_limit} run at a time.")


@global_concurrency_limit.command("create")
def create_limit(name: str, limit: Total, decay: Decay = None) -> None:
    """Make a concurrency limit."""
    if any(each["name"] == name for each in _limits(on_tags=False)):
        raise ObjectAlreadyExists(f"There is already a limit {name!r}; change it with `orchestrate gcl update`.")
    _save_limit({"name": name, "limit": limit, "slot_decay_per_second": decay or 0.0})
    typer.echo(f"Made the concurrency limit {name!r} with {limit} slots.")


@global_concurrency_limit.command("update")
def update_limit(name: str, limit: NewTotal = None, decay: Decay = None) -> None:
    """Change a concurrency limit."""
    given = {"limit": limit, "slot_decay_per_second": decay}
    NAMED.change(name, {field: value for field, value in given.items() if value is not None})


# -- blocks ---------------------------------------------------------------------------------------


def _blocks() -> list[wire.Document]:
    """The saved blocks, which people call by the slug of their type and their name; their secrets are masked."""
    saved = [wire.plain(asdict(each)) for each in store().blocks.block_documents()]
    shown = ("id", "data", "created", "updated")
    return [
        {"slug": f"{each['block_type']['slug']}/{each['name']}", **{name: each[name] for name in shown}}
        for each in saved
    ]


def _types() -> list[wire.Document]:
    return store().find("block_types", filters.Query(limit=2**31))


def _remove_block(saved: wire.Document) -> None:
    store().delete("block_documents", id=saved["id"])


block = group(kind_of("block", rows=_blocks, remove=_remove_block))
block.add_typer(group(kind_of("block type", rows=_types)), name="type")

File = Annotated[Path, typer.Option("--file", "-f", help="A file that defines blocks.", exists=True, dir_okay=False)]


@block.command("register")
def register(file: File) -> None:
    """Make the block types of a file known to the store."""
    from orchestration.sdk.blocks import Block
    from orchestration.sdk.runtime import close_session

    try:
        names = runpy.run_path(str(file), run_name=file.stem)
    except ImportError as error:
        raise ConfigurationError(f"{file} cannot be imported: {error}.") from None
    found = (each for each in names.values() if isinstance(each, type) and issubclass(each, Block))
    classes = {each for each in found if not (isabstract(each) or ABC in each.__bases__)}
    for each in classes:
        each.register_type_and_schema()
    close_session()
    typer.echo(f"Registered {len(classes)} block type(s): {', '.join(sorted(each.__name__ for each in classes))}.")


@block.command("rotate-key")
def rotate_key() -> None:
    """Encrypt all saved blocks with a fresh key."""
    blocks, settings = store().blocks, current_settings()
    if not isinstance(blocks, LocalBlockStore):
        raise OrchestrationError("Only the machine that holds the database can rotate its key; run this there.")
    fresh = blocks.rotate_key()
    where = f"it lies in {settings.home / 'encryption.key'}."
    if settings.encryption_key:
        where = f"from now on, set ORCHESTRATION_ENCRYPTION_KEY={fresh}"
    typer.echo(f"All blocks are encrypted with a new key; {where}")
