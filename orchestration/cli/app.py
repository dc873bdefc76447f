"""The root of the command line: finds the group that is asked for and loads it, and no other."""

from __future__ import annotations

import os
from importlib import import_module
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from orchestration.domain.errors import OrchestrationError, UsageError
from orchestration.domain.settings import CHOICE

GROUPS = {
    "version": ("settings", "Show versions, and where runs are kept."),
    "server": ("server", "Start, stop and look after a server."),
    "flow": ("runs", "List flows."),
    "flow-run": ("runs", "List, follow, cancel and retry flow runs."),
    "task-run": ("runs", "List task runs, newest first."),
    "artifact": ("things", "List and read what runs publish."),
    "variable": ("things", "Get, set and list variables."),
    "block": ("things", "List saved blocks, register types, rotate the key."),
    "deployment": ("runs", "List, run, pause and delete deployments."),
    "work-pool": ("things", "Make and manage work pools."),
    "work-queue": ("things", "Manage the queues of work pools."),
    "concurrency-limit": ("things", "Limit how many tasks with a tag run at once."),
    "global-concurrency-limit": ("things", "Limit what asks for slots by name (gcl)."),
    "profile": ("settings", "Make and choose named sets of settings."),
    "config": ("settings", "Show and change settings."),
}
"""By name of a group, the module that has it, under the same name, and what ``--help`` says before that is loaded."""

SHORT = {"gcl": "global-concurrency-limit"}
JSON = ("-o", "--output")
"""How Prefect's users ask for what ``--json`` gives: with one of these and the word ``json``."""


class Groups(TyperGroup):
    """The group of all groups."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the groups."""
        return list(GROUPS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a group."""
        name = SHORT.get(cmd_name, cmd_name)
        if name not in GROUPS:
            return None
        return get_command(getattr(import_module(f"{__package__}.{GROUPS[name][0]}"), name.replace("-", "_")))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Tell of the groups without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in GROUPS.items()])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, with one spelling for JSON."""
        for place, pair in enumerate(pairwise(args)):
            if pair[0] in JSON and pair[1] == "json":
                args = [*args[:place], "--json", *args[place + 2 :]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a mistake of its user's ends in a sentence and an exit code."""
        try:
            return super().invoke(ctx)
        except OrchestrationError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None


app = typer.Typer(cls=Groups, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback(help="Flows, their runs, and the server that keeps them.")
def root(profile: Annotated[str | None, typer.Option(help="Use this profile for this command.")] = None) -> None:
    """Choose the profile before any command reads settings."""
    if profile is not None:
        os.environ[CHOICE] = profile
