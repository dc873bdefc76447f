"""The root of the command line: finds the group that is asked for and loads it, and no other."""

from __future__ import annotations

import os
import tomllib
from contextlib import ExitStack
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from orchestration.domain.errors import OrchestrationError, UsageError
from orchestration.domain.settings import CHOICE

# By name of a group, what ``groups.toml`` says of it; groups within groups have no module of their own.
GROUPS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("groups.toml").read_text(encoding="utf-8"))

# What closes when the command in progress ends.
AT_END = ExitStack()

SHORT = {"gcl": "global-concurrency-limit"}
# How Prefect's users ask for what ``--json`` gives: with one of these and the word ``json``.
JSON = ("-o", "--output")


class Groups(TyperGroup):
    """The group of all groups."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the groups."""
        return [name for name, said in GROUPS.items() if "module" in said]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a group."""
        name = SHORT.get(cmd_name, cmd_name)
        if name not in self.list_commands(ctx):
            return None
        return get_command(getattr(import_module(f"{__package__}.{GROUPS[name]['module']}"), name.replace("-", "_")))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Tell of the groups without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, GROUPS[name]["help"]) for name in self.list_commands(ctx)])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, with one spelling for JSON."""
        for place, pair in enumerate(pairwise(args)):
            if pair[0] in JSON and pair[1] == "json":
                args = [*args[:place], "--json", *args[place + 2 :]]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a mistake of its user's ends in a sentence and an exit code."""
        try:
            with AT_END:
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
