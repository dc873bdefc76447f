"""What people keep by hand: ``orchestrate artifact``, ``variable``, ``block``, work pools, queues and limits."""

import json
import runpy
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import typer

from orchestration.backend.blocks import LocalBlockStore
from orchestration.backend.surroundings import current_settings
from orchestration.cli.kinds import group, is_id, kind_of, store, value_of
from orchestration.cli.output import may, print_documents
from orchestration.domain.errors import ConfigurationError, OrchestrationError
from orchestration.domain.schemas import filters, wire

# -- artifacts ------------------------------------------------------------------------------------

ARTIFACT = kind_of("artifact")
artifact = group(ARTIFACT)


@artifact.command("inspect")
def inspect_artifact(key: str, limit: int | None = 10, as_json: bool = False) -> None:
    """Show the versions of an artifact, newest first."""
    print_documents(_versions(key)[:limit], (*ARTIFACT.columns, ("Data", "data", "text")), as_json, "")


@artifact.command("delete")
def delete_artifact(key: str, yes: bool = False) -> None:
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


@variable.command("get")
def get_variable(name: str) -> None:
    """Print the value of a variable, as JSON."""
    typer.echo(json.dumps(VARIABLE.one(name)["value"], ensure_ascii=False))


@variable.command("set")
def set_variable(name: str, value: str, overwrite: bool = False, tag: list[str] | None = None) -> None:
    """Set a variable."""
    VARIABLE.create({"name": name, "value": value_of(value), "tags": tag or []}, overwrite)


# -- work pools and queues ------------------------------------------------------------------------

POOL, QUEUE = kind_of("work-pool"), kind_of("work-queue")
work_pool, work_queue = group(POOL), group(QUEUE)


@work_pool.command("create")
def create_pool(name: str, type_: str = "process", paused: bool = False, overwrite: bool = False) -> None:
    """Make a work pool."""
    POOL.create({"name": name, "type": type_, "is_paused": paused}, overwrite)


@work_queue.command("create")
def create_queue(name: str, pool: str = "default-agent-pool", priority: int | None = None) -> None:
    """Make a queue in a work pool; without --pool in the one that Prefect means."""
    QUEUE.create({"name": name, "work_pool_id": POOL.one(pool)["id"], "priority": priority})


# -- concurrency limits: one list, told apart by the names in it ----------------------------------

# How the name of a limit on a tag begins, here as with Prefect.
TAG = "tag:"


def _limits(on_tags: bool) -> list[wire.Document]:
    every = [{**wire.plain(asdict(each)), "tag": each.name.removeprefix(TAG)} for each in store().concurrency_limits()]
    return [each for each in every if each["name"].startswith(TAG) == on_tags]


ON_TAG = kind_of("concurrency-limit", rows=partial(_limits, True))
NAMED = kind_of("global-concurrency-limit", rows=partial(_limits, False))
concurrency_limit, global_concurrency_limit = group(ON_TAG), group(NAMED)


@concurrency_limit.command("create")
def limit_tag(tag: str, concurrency_limit: int) -> None:
    """Limit how many tasks with a tag run at once; a limit that is there is changed."""
    ON_TAG.create({"name": TAG + tag, "limit": concurrency_limit}, overwrite=True)


@global_concurrency_limit.command("create")
def create_limit(name: str, limit: int, decay: float = 0.0) -> None:
    """Make a concurrency limit; `gcl update` changes one."""
    NAMED.create({"name": name, "limit": limit, "slot_decay_per_second": decay})


@global_concurrency_limit.command("update")
def update_limit(name: str, limit: int | None = None, decay: float | None = None) -> None:
    """Change a concurrency limit."""
    given = {"limit": limit, "slot_decay_per_second": decay}
    NAMED.change(name, {field: value for field, value in given.items() if value is not None})


# -- blocks ---------------------------------------------------------------------------------------


def _blocks() -> list[wire.Document]:
    """The saved blocks, which people call by the slug of their type and their name; their secrets are masked."""
    saved = [wire.plain(asdict(each)) for each in store().block_documents()]
    named = [{"slug": f"{each['block_type']['slug']}/{each['name']}", **each} for each in saved]
    return [{name: each[name] for name in ("slug", "id", "data", "created", "updated")} for each in named]


block = group(kind_of("block", rows=_blocks))
block.add_typer(group(kind_of("block type")), name="type")


@block.command("register")
def register(file: Path) -> None:
    """Make the block types of a file known to the store."""
    from orchestration.sdk.blocks import Block, is_base

    try:
        names = runpy.run_path(str(file), run_name=file.stem)
    except ImportError as error:
        raise ConfigurationError(f"{file} cannot be imported: {error}.") from None
    found = {each for each in names.values() if isinstance(each, type) and issubclass(each, Block)}
    classes = {each for each in found if not is_base(each)}
    for each in classes:
        each.register_type_and_schema()
    typer.echo(f"Registered {len(classes)} block type(s): {', '.join(sorted(each.__name__ for each in classes))}.")


@block.command("rotate-key")
def rotate_key() -> None:
    """Encrypt all saved blocks with a fresh key."""
    backend, settings = store(), current_settings()
    if not isinstance(backend, LocalBlockStore):
        raise OrchestrationError("Only the machine that holds the database can rotate its key; run this there.")
    fresh = backend.rotate_key()
    where = f"it lies in {settings.home / 'encryption.key'}."
    if settings.encryption_key:
        where = f"from now on, set ORCHESTRATION_ENCRYPTION_KEY={fresh}"
    typer.echo(f"All blocks are encrypted with a new key; {where}")
