"""What people keep by hand: ``orchestrate artifact``, ``variable``, ``block``, work pools, queues and limits."""

from __future__ import annotations

import json
import runpy
import sys
from abc import ABC
from dataclasses import asdict, replace
from functools import partial
from inspect import isabstract
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from orchestration.backend.blocks import LocalBlockStore
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import current_settings
from orchestration.cli.kinds import Kind, Records, Slots, changed, found, group, is_id, opened, value_of
from orchestration.cli.output import AsJson, Limit, Yes, columns, may, print_documents
from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists, OrchestrationError, UsageError
from orchestration.domain.schemas.filters import among
from orchestration.domain.schemas.wire import Document, plain

# -- artifacts ------------------------------------------------------------------------------------

ARTIFACT_COLUMNS = columns("ID id exact, Key key text, Type type exact, Updated updated time")
LATEST = Kind("artifact_collections", "artifact", ARTIFACT_COLUMNS, limit=100, sort="ID_DESC")
artifact = group(LATEST, "List and read what runs publish.", "ls")


@artifact.command("inspect")
def inspect_artifact(key: str, limit: Limit = 10, as_json: AsJson = False) -> None:
    """Show the versions of an artifact, newest first."""
    with opened() as backend:
        print_documents(_versions(backend, key)[:limit], (*ARTIFACT_COLUMNS, *columns("Data data text")), as_json, "")


@artifact.command("delete")
def delete_artifact(key: str, yes: Yes = False) -> None:
    """Delete all versions of an artifact, or by its id one."""
    with opened() as backend:
        versions = _versions(backend, key)
        may(f"Delete {len(versions)} version(s)?", yes)
        for each in versions:
            backend.delete("artifacts", id=each["id"])
    typer.echo(f"Deleted {len(versions)} version(s) of the artifact {key!r}.")


def _versions(backend: Backend, key: str) -> list[Document]:
    where = among("artifacts", **{"id" if is_id(key) else "key": [key]})
    return list(found(backend, "artifacts", where, sort="ID_DESC")) or [LATEST.missing(key)]


# -- variables ------------------------------------------------------------------------------------

VARIABLE_COLUMNS = columns("Name name text, Value value text, Tags tags text, Updated updated time")
VARIABLE = Kind("variables", "variable", VARIABLE_COLUMNS, kept_by="name")
variable = group(VARIABLE, "Get, set and list variables.", "ls inspect delete unset")

Value = Annotated[str, typer.Argument(help="JSON, or a text.")]
Overwrite = Annotated[bool, typer.Option(help="Change it if it is there.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag; may be given several times.")]


@variable.command("get")
def get_variable(name: str) -> None:
    """Print the value of a variable, as JSON."""
    with opened() as backend:
        typer.echo(json.dumps(VARIABLE.one(backend, name)["value"], ensure_ascii=False))


@variable.command("set")
def set_variable(name: str, value: Value, overwrite: Overwrite = False, tag: Tags = None) -> None:
    """Set a variable."""
    VARIABLE.create({"name": name, "value": value_of(value), "tags": tag or []}, overwrite)


# -- work pools and queues ------------------------------------------------------------------------

PAUSES = {"pause": {"is_paused": True}, "resume": {"is_paused": False}}
SWITCHES: dict[str, Any] = {**PAUSES, "clear-concurrency-limit": {"concurrency_limit": None}}
POOL_COLUMNS = columns(
    "Name name text, Type type text, Status status exact, Limit concurrency_limit exact, ID id exact"
)
POOL = Kind("work_pools", "work pool", POOL_COLUMNS, kept_by="name")
work_pool = group(POOL, "Make and manage work pools.", "ls inspect delete set-concurrency-limit", **SWITCHES)

QUEUE_COLUMNS = columns(
    "Name name text, Pool work_pool_name text, Priority priority exact, Limit concurrency_limit exact, ID id exact"
)
QUEUE = Kind("work_queues", "work queue", QUEUE_COLUMNS, parent="work_pools")
work_queue = group(QUEUE, "Manage the queues of work pools.", "ls inspect delete set-concurrency-limit", **SWITCHES)

Template = Annotated[Path | None, typer.Option("--base-job-template", help="A JSON file.", exists=True, dir_okay=False)]
Paused = Annotated[bool, typer.Option(help="Let no worker start its runs yet.")]
Type = Annotated[str, typer.Option("--type", "-t", help="What its workers start.")]
Pool = Annotated[str, typer.Option("--pool", "-p", help="The name of its work pool.")]
Priority = Annotated[int | None, typer.Option("--priority", "-q", help="1 is the most urgent.", min=1)]


@work_pool.command("create")
def create_pool(
    name: str, type_: Type = "process", template: Template = None, paused: Paused = False, overwrite: Overwrite = False
) -> None:
    """Make a work pool."""
    try:
        given = {} if template is None else {"base_job_template": json.loads(template.read_text(encoding="utf-8"))}
    except ValueError as error:
        raise ConfigurationError(f"The file {template} is not JSON: {error}.") from None
    POOL.create({"name": name, "type": type_, "is_paused": paused, **given}, overwrite)


@work_queue.command("create")
def create_queue(name: str, pool: Pool = "default-agent-pool", priority: Priority = None) -> None:
    """Make a queue in a work pool; without --pool in the one that Prefect means."""
    with opened() as backend:
        there = POOL.one(backend, pool)
    QUEUE.create({"name": name, "work_pool_id": there["id"], "priority": priority})


# -- concurrency limits: one list, told apart by the names in it ----------------------------------

TAG = "tag:"
"""How the name of a limit on a tag begins, here as with Prefect."""


def _limits(backend: Backend, on_tags: bool) -> list[Document]:
    every = [plain(asdict(each)) for each in backend.concurrency_limits()]
    ours = [each for each in every if each["name"].startswith(TAG) == on_tags]
    return [{**each, "tag": each["name"].removeprefix(TAG)} for each in ours]


def _save_limit(backend: Backend, new: Document) -> None:
    backend.set_concurrency_limit(new["name"], new["limit"], new["slot_decay_per_second"], new["active"])


ON_TAG = Records(
    "tag", "concurrency limit", columns("ID id exact, Tag tag text, Limit limit exact, In use active_slots exact"),
    key="tag", rows=partial(_limits, on_tags=True), save=_save_limit,
    remove=lambda backend, limit: backend.delete_concurrency_limit(limit["name"]),
)  # fmt: skip
NAMED_COLUMNS = columns(
    "Name name text, Limit limit exact, Active active exact, In use active_slots exact, "
    "Decay slot_decay_per_second exact"
)
NAMED = replace(
    ON_TAG, noun="global concurrency limit", columns=NAMED_COLUMNS, key="name", rows=partial(_limits, on_tags=False)
)
concurrency_limit = group(ON_TAG, "Limit how many tasks with a tag run at once.", "ls inspect delete")
global_concurrency_limit = group(
    NAMED, "Limit what asks for slots by name.", "ls inspect delete", enable={"active": True}, disable={"active": False}
)

Total = Annotated[int, typer.Option("--limit", "-l", help="How many slots there are.", min=0)]
NewTotal = Annotated[int | None, typer.Option("--limit", "-l", help="How many slots there are.", min=0)]
Decay = Annotated[float | None, typer.Option("--slot-decay-per-second", help="Slots that come back a second.", min=0)]


@concurrency_limit.command("create")
def limit_tag(tag: str, concurrency_limit: Slots) -> None:
    """Limit how many tasks with a tag run at once; a limit that is there is changed."""
    with opened() as backend:
        backend.set_concurrency_limit(TAG + tag, concurrency_limit)
    typer.echo(f"Of the tasks with the tag {tag!r}, {concurrency_limit} run at a time.")


@global_concurrency_limit.command("create")
def create_limit(name: str, limit: Total, decay: Decay = None) -> None:
    """Make a concurrency limit."""
    with opened() as backend:
        if any(each["name"] == name for each in _limits(backend, False)):
            raise ObjectAlreadyExists(f"There is already a limit {name!r}; change it with `orchestrate gcl update`.")
        backend.set_concurrency_limit(name, limit, decay or 0.0)
    typer.echo(f"Made the concurrency limit {name!r} with {limit} slots.")


@global_concurrency_limit.command("update")
def update_limit(name: str, limit: NewTotal = None, decay: Decay = None) -> None:
    """Change a concurrency limit."""
    given = {"limit": limit, "slot_decay_per_second": decay}
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes:
        raise UsageError("Say what to change: --limit or --slot-decay-per-second.")
    changed(NAMED, name, changes)


# -- blocks ---------------------------------------------------------------------------------------


def _blocks(backend: Backend) -> list[Document]:
    """The saved blocks, which people call by the slug of their type and their name; their secrets are masked."""
    saved = [(each.block_type, each) for each in backend.blocks.block_documents(limit=sys.maxsize)]
    return [
        {"id": str(each.id), "slug": f"{kind.slug if kind else ''}/{each.name}", "type": each.block_type_name,
         "data": each.data, "created": plain(each.created), "updated": plain(each.updated)}
        for kind, each in saved
    ]  # fmt: skip


def _types(backend: Backend) -> list[Document]:
    return [plain(asdict(each)) for each in backend.blocks.block_types()]


def _remove_type(backend: Backend, document: Document) -> None:
    if document["is_protected"]:
        raise OrchestrationError(f"The block type {document['slug']!r} is protected; it cannot be deleted.")
    backend.blocks.delete_block_type(document["slug"])


BLOCK_COLUMNS, TYPE_COLUMNS = columns("ID id exact, Slug slug text"), columns("Slug slug exact, Says description text")
BLOCKS = Records(
    "blocks", "block", BLOCK_COLUMNS, key="slug", rows=_blocks,
    remove=lambda backend, saved: backend.blocks.delete_block_document(UUID(saved["id"])),
)  # fmt: skip
TYPES = Records("types", "block type", TYPE_COLUMNS, key="slug", rows=_types, remove=_remove_type)
block = group(BLOCKS, "List saved blocks, register types, rotate the key.", "ls inspect delete")
block.add_typer(group(TYPES, "List and delete block types.", "ls inspect delete"), name="type")

File = Annotated[Path, typer.Option("--file", "-f", help="A file that defines blocks.", exists=True, dir_okay=False)]


@block.command("register")
def register(file: File) -> None:
    """Make the block types of a file known to the store."""
    from orchestration.sdk.blocks import Block
    from orchestration.sdk.session import close_session

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
    with opened() as backend:
        if not isinstance(backend.blocks, LocalBlockStore):
            raise OrchestrationError("Only the machine that holds the database can rotate its key; run this there.")
        fresh = backend.blocks.rotate_key()
    settings = current_settings()
    where = f"it lies in {settings.home / 'encryption.key'}."
    said = f"from now on, set ORCHESTRATION_ENCRYPTION_KEY={fresh}" if settings.encryption_key else where
    typer.echo(f"All blocks are encrypted with a new key; {said}")
