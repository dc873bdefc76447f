"""``orchestrate global-concurrency-limit``, or ``gcl``."""

from typing import Annotated

import typer

from orchestration.cli.kinds import changed, group
from orchestration.cli.limits import Limits
from orchestration.cli.output import columns
from orchestration.cli.store import opened
from orchestration.domain.errors import ObjectAlreadyExists, UsageError

COLUMNS = columns(
    "Name name text", "Limit limit exact", "Active active exact", "In use active_slots exact",
    "Decay slot_decay_per_second exact",
)  # fmt: skip
KIND = Limits("concurrency_limits", "global concurrency limit", COLUMNS)
HELP = "Limit what asks for slots by name."
app = group(KIND, HELP, "ls inspect delete", enable={"active": True}, disable={"active": False})

Total = Annotated[int, typer.Option("--limit", "-l", help="How many slots there are.", min=0)]
NewTotal = Annotated[int | None, typer.Option("--limit", "-l", help="How many slots there are.", min=0)]
Decay = Annotated[float | None, typer.Option("--slot-decay-per-second", help="Slots that come back a second.", min=0)]
Enable = Annotated[bool, typer.Option("--enable", help="Apply it.")]
Disable = Annotated[bool, typer.Option("--disable", help="Do not apply it.")]


@app.command("create")
def create(name: str, limit: Total, disable: Disable = False, decay: Decay = None) -> None:
    """Make a concurrency limit."""
    with opened() as backend:
        if any(each.name == name for each in backend.concurrency_limits()):
            raise ObjectAlreadyExists(f"There is already a limit {name!r}; change it with `orchestrate gcl update`.")
        backend.set_concurrency_limit(name, limit, decay or 0.0, not disable)
    typer.echo(f"Made the concurrency limit {name!r} with {limit} slots.")


@app.command("update")
def update(
    name: str, enable: Enable = False, disable: Disable = False, limit: NewTotal = None, decay: Decay = None
) -> None:
    """Change a concurrency limit."""
    active = {(True, False): True, (False, True): False, (False, False): None}.get((enable, disable), "both")
    given = {"active": active, "limit": limit, "slot_decay_per_second": decay}
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes or active == "both":
        raise UsageError("Say what to change: --limit, --slot-decay-per-second, and either --enable or --disable.")
    changed(KIND, name, changes)
