"""``orchestrate concurrency-limit`` and ``global-concurrency-limit``: one list, told apart by the names in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from orchestration.backend.port import Backend
from orchestration.cli.kinds import Kind, Slots, changed, group
from orchestration.cli.output import columns
from orchestration.cli.store import opened
from orchestration.domain.errors import ObjectAlreadyExists, UsageError
from orchestration.domain.schemas.wire import Document, plain

TAG = "tag:"
"""How the name of a limit on a tag begins, here as with Prefect."""


class Limits(Kind):
    """Concurrency limits, those on tags by the tag."""

    def found(self, backend: Backend, where: Mapping[str, Any], limit: int | None, sort: str | None) -> list[Document]:
        """The limits of this kind by name."""
        all_limits = [plain(asdict(each)) for each in backend.concurrency_limits()]
        ours = [each for each in all_limits if each["name"].startswith(TAG) == (self.key == "tag")]
        return [{**each, "tag": each["name"].removeprefix(TAG)} for each in ours][:limit]

    def one(self, backend: Backend, text: str, pool: str | None = None) -> Document:
        """The limit of that name, or id."""
        all_limits = self.found(backend, {}, None, None)
        return next((each for each in all_limits if text in (each[self.key], each["id"])), None) or self.missing(text)

    def change(self, backend: Backend, document: Document, changes: Mapping[str, Any]) -> None:
        """Give one another number of slots, or another decay, or let it apply or not."""
        new = {**document, **changes}
        backend.set_concurrency_limit(new["name"], new["limit"], new["slot_decay_per_second"], new["active"])

    def delete(self, backend: Backend, document: Document) -> None:
        """Remove one."""
        backend.delete_concurrency_limit(document["name"])


TAG_COLUMNS = columns("ID id exact", "Tag tag text", "Limit limit exact", "In use active_slots exact")
ON_TAG = Limits("concurrency_limits", "concurrency limit", TAG_COLUMNS, key="tag")
concurrency_limit = group(ON_TAG, "Limit how many tasks with a tag run at once.", "ls inspect delete")


@concurrency_limit.command("create")
def create_on_tag(tag: str, concurrency_limit: Slots) -> None:
    """Limit how many tasks with a tag run at once; a limit that is there is changed."""
    with opened() as backend:
        backend.set_concurrency_limit(TAG + tag, concurrency_limit)
    typer.echo(f"Of the tasks with the tag {tag!r}, {concurrency_limit} run at a time.")


@concurrency_limit.command("reset")
def reset(tag: str) -> None:
    """Free all slots of a limit, whoever holds them."""
    with opened() as backend:
        limit = ON_TAG.one(backend, tag)
        ON_TAG.delete(backend, limit)
        ON_TAG.change(backend, limit, {})
    typer.echo(f"Freed the slots of the tag {tag!r}.")


COLUMNS = columns(
    "Name name text", "Limit limit exact", "Active active exact", "In use active_slots exact",
    "Decay slot_decay_per_second exact",
)  # fmt: skip
BY_NAME = Limits("concurrency_limits", "global concurrency limit", COLUMNS)
SWITCHES = {"enable": {"active": True}, "disable": {"active": False}}
global_concurrency_limit = group(BY_NAME, "Limit what asks for slots by name.", "ls inspect delete", **SWITCHES)

Total = Annotated[int, typer.Option("--limit", "-l", help="How many slots there are.", min=0)]
NewTotal = Annotated[int | None, typer.Option("--limit", "-l", help="How many slots there are.", min=0)]
Decay = Annotated[float | None, typer.Option("--slot-decay-per-second", help="Slots that come back a second.", min=0)]
Enable = Annotated[bool, typer.Option("--enable", help="Apply it.")]
Disable = Annotated[bool, typer.Option("--disable", help="Do not apply it.")]


@global_concurrency_limit.command("create")
def create(name: str, limit: Total, disable: Disable = False, decay: Decay = None) -> None:
    """Make a concurrency limit."""
    with opened() as backend:
        if any(each.name == name for each in backend.concurrency_limits()):
            raise ObjectAlreadyExists(f"There is already a limit {name!r}; change it with `orchestrate gcl update`.")
        backend.set_concurrency_limit(name, limit, decay or 0.0, not disable)
    typer.echo(f"Made the concurrency limit {name!r} with {limit} slots.")


@global_concurrency_limit.command("update")
def update(
    name: str, enable: Enable = False, disable: Disable = False, limit: NewTotal = None, decay: Decay = None
) -> None:
    """Change a concurrency limit."""
    active = {(True, False): True, (False, True): False, (False, False): None}.get((enable, disable), "both")
    given = {"active": active, "limit": limit, "slot_decay_per_second": decay}
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes or active == "both":
        raise UsageError("Say what to change: --limit, --slot-decay-per-second, and either --enable or --disable.")
    changed(BY_NAME, name, changes)
