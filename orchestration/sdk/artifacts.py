"""Artifacts: what runs publish for people to read.

Variables: named JSON values that people change without changing code.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from numbers import Integral, Real
from typing import Any
from uuid import UUID

from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas import catalog, wire
from orchestration.sdk import context, logs
from orchestration.sdk.awaiting import awaited, either

_KEY = re.compile(r"[a-z0-9-]+")

DONE_PERCENT = 100.0

Cells = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]]


@either
def create_markdown_artifact(markdown: str, key: str | None = None, description: str | None = None) -> UUID:
    """Publish markdown; the id of the new version.

    Args:
        markdown: the text.
        key: what its versions have in common: lower-case letters, numbers and dashes.
        description: a line about it.

    Raises:
        UsageError: the key has other characters.
    """
    return _create("markdown", logs.redact(markdown), key, description)


@either
def create_table_artifact(table: Cells, key: str | None = None, description: str | None = None) -> UUID:
    """Publish a table, given as columns by name, as rows by column name, or as rows; the id of the new version."""
    return _create("table", logs.redact(json.dumps(_strict(table))), key, description)


@either
def create_link_artifact(
    link: str, link_text: str | None = None, key: str | None = None, description: str | None = None
) -> UUID:
    """Publish a link; the id of the new version."""
    return _create("markdown", logs.redact(f"[{link_text or link}]({link})"), key, description)


@either
def create_image_artifact(image_url: str, key: str | None = None, description: str | None = None) -> UUID:
    """Publish an image by its address; the id of the new version."""
    return _create("image", logs.redact(image_url), key, description)


@either
def create_progress_artifact(progress: float, key: str | None = None, description: str | None = None) -> UUID:
    """Publish how far something is, in per cent; the id to update it by."""
    return _create("progress", _percent(progress), key, description)


@either
def update_progress_artifact(artifact_id: UUID, progress: float, description: str | None = None) -> UUID:
    """Say how far it is now, in per cent.

    Raises:
        ObjectNotFound: there is no artifact of that id.
        UsageError: the progress is not between 0 and 100.
    """
    about = {} if description is None else {"description": logs.redact(description)}
    logs.started_session().backend.change("artifacts", {"data": _percent(progress), **about}, id=artifact_id)
    return artifact_id


acreate_markdown_artifact = awaited(create_markdown_artifact)
acreate_table_artifact = awaited(create_table_artifact)
acreate_link_artifact = awaited(create_link_artifact)
acreate_image_artifact = awaited(create_image_artifact)
acreate_progress_artifact = awaited(create_progress_artifact)
aupdate_progress_artifact = awaited(update_progress_artifact)


def _create(kind: str, data: Any, key: str | None, description: str | None) -> UUID:
    if key is not None and not _KEY.fullmatch(key):
        raise UsageError(f"The artifact key {key!r} may have only lower-case letters, numbers and dashes.")
    run = logs.log_fields(context.current_run())
    artifact = {
        "key": key, "type": kind, "description": None if description is None else logs.redact(description),
        "data": data, "metadata": {}, "flow_run_id": run.get("flow_run_id"), "task_run_id": run.get("task_run_id"),
    }
    return UUID(logs.started_session().backend.create("artifacts", wire.plain(artifact))["id"])


def _percent(progress: float) -> float:
    if not 0.0 <= progress <= DONE_PERCENT:
        raise UsageError(f"The progress is {progress}; give a number from 0 to 100.")
    return float(progress)


def _strict(table: Cells) -> Any:
    """A table as strict JSON can have it: not-a-number as nothing, infinity as a word."""
    words = {"NaN": None, "Infinity": "inf", "-Infinity": "-inf"}
    return json.loads(json.dumps(table, default=_number_or_text), parse_constant=words.get)


def _number_or_text(cell: Any) -> Any:
    """What JSON has no word for: a number of any library as a number, all else as text."""
    if not isinstance(cell, Real):
        return str(cell)
    return int(cell) if isinstance(cell, Integral) else float(cell)


_NAME = re.compile(r"[a-z0-9_-]{1,255}")
# Characters of a value as JSON.
LONGEST_VALUE = 5000


def _set(name: str, value: Any, tags: Sequence[str] | None = None, overwrite: bool = False) -> catalog.VariableRecord:
    """Store a value under a name.

    Raises:
        ObjectAlreadyExists: the name is taken; pass ``overwrite=True`` to replace the value.
        UsageError: the name or the value is none that a variable can have.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"The variable name {name!r} is none; use 1 to 255 of a-z, 0-9, dashes and underscores.")
    try:
        length = len(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UsageError(f"The value of variable {name!r} is not JSON: {error}.") from None
    if length > LONGEST_VALUE:
        raise UsageError(f"The value of variable {name!r} has {length} characters; {LONGEST_VALUE} is the most.")
    document = {"name": name, "value": value, "tags": list(tags or ())}
    try:
        kept = logs.started_session().backend.create("variables", document, overwrite)
        return wire.record_of(catalog.VariableRecord, kept)
    except ObjectAlreadyExists:
        raise ObjectAlreadyExists(f"There is a variable {name!r}; replace it with overwrite=True.") from None


def _get(name: str, default: Any = None) -> Any:
    """The value of a name; ``default`` when there is none."""
    with suppress(ObjectNotFound):
        return logs.started_session().backend.read("variables", name=name)["value"]
    return default


def _unset(name: str) -> bool:
    """Forget a name; whether there was a value."""
    with suppress(ObjectNotFound):
        logs.started_session().backend.delete("variables", name=name)
        return True
    return False


class Variable:
    """``Variable.get("name")``, ``Variable.set("name", value)``, ``Variable.unset("name")``, and their async twins."""

    get, aget = staticmethod(either(_get)), staticmethod(awaited(_get))
    set, aset = staticmethod(either(_set)), staticmethod(awaited(_set))
    unset, aunset = staticmethod(either(_unset)), staticmethod(awaited(_unset))
