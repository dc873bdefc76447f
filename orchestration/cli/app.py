"""The root of the command line: finds the group that is asked for and loads it, and no other."""

import os
import tomllib
from contextlib import ExitStack
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperGroup
from typer.main import get_command

from orchestration.domain.errors import OrchestrationError, UsageError
from orchestration.domain.settings import CHOICE

# By name of a group, what ``groups.toml`` says of it; groups within groups have no module of their own.
GROUPS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("groups.toml").read_text(encoding="utf-8"))
# By parameter, and by command where one says otherwise, what ``options.toml`` tells of it.
OPTIONS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("options.toml").read_text(encoding="utf-8"))

# What closes when the command in progress ends.
AT_END = ExitStack()

SHORT = {"gcl": "global-concurrency-limit"}


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
        group = getattr(import_module(f"{__package__}.{GROUPS[name]['module']}"), name.replace("-", "_"))
        describe(group)
        return get_command(group)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Tell of the groups without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, GROUPS[name]["help"]) for name in self.list_commands(ctx)])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, with one spelling for JSON."""
        for place, pair in enumerate(pairwise(args)):
            if pair in (("-o", "json"), ("--output", "json")):  # as Prefect's users ask for it
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


def describe(group: typer.Typer) -> None:
    """Let the parameters of a group's commands be what ``options.toml`` tells of them."""
    annotated: Any = Annotated
    for command in group.registered_commands:
        function: Any = getattr(command.callback, "__func__", command.callback)
        own = OPTIONS.get(function.__module__.rpartition(".")[2], {}).get(function.__name__, {})
        for name, kind in get_type_hints(function).items():
            if said := own.get(name) or OPTIONS["every"].get(name):
                rest = {field: value for field, value in said.items() if field != "flags"}
                about = typer.Option(*said["flags"].split(), **rest) if "flags" in said else typer.Argument(**rest)
                function.__annotations__[name] = annotated[kind, about]
    for each in group.registered_groups:
        describe(each.typer_instance)  # type: ignore[arg-type]


app = typer.Typer(cls=Groups, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback(help="Flows, their runs, and the server that keeps them.")
def root(profile: Annotated[str | None, typer.Option(help="Use this profile for this command.")] = None) -> None:
    """Choose the profile before any command reads settings."""
    if profile is not None:
        os.environ[CHOICE] = profile
