"""Groups of commands from descriptions: what a thing is called, where it is kept, and which columns its table has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from orchestration.backend.port import Backend
from orchestration.cli.output import AsJson, Column, Limit, Output, Yes, may, print_documents, print_fields
from orchestration.cli.store import found, one, opened, with_flow_names
from orchestration.domain.schemas.wire import Document

Name = Annotated[str, typer.Argument(help="Its name or id.")]
NO_FILTER: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing that people list, look at, change and remove.

    ``key`` is the field with what people call it, ``kept_by`` the one by which the store finds it.
    """

    resource: str
    noun: str
    columns: tuple[Column, ...]
    key: str = "name"
    kept_by: str = "id"
    limit: int = 15
    sort: str | None = None
    has_flow: bool = False

    def one(self, backend: Backend, text: str) -> Document:
        """The one that a person means."""
        document = one(backend, self.resource, text, self.key)
        return with_flow_names(backend, [document])[0] if self.has_flow else document

    def keys(self, document: Document) -> dict[str, Any]:
        """By what the store finds a document of this kind."""
        return {self.kept_by: document[self.kept_by]}

    def show(self, where: Mapping[str, Any], limit: int | None, as_json: Any, sort: str | None = None) -> None:
        """Print those that a filter lets through."""
        with opened() as backend:
            documents = list(found(backend, self.resource, where, limit, sort or self.sort))
            if self.has_flow:
                documents = with_flow_names(backend, documents)
        print_documents(documents, self.columns, as_json, f"There are no {self.noun}s to show.")


def group(kind: Kind, commands: str, help_text: str) -> typer.Typer:
    """A group with some of the commands ``ls``, ``inspect`` and ``delete``."""
    app = typer.Typer(help=help_text, rich_markup_mode=None, no_args_is_help=True)
    for name in commands.split():
        _COMMANDS[name](app, kind)
    return app


def add_change(app: typer.Typer, kind: Kind, name: str, changes: Mapping[str, Any], done: str) -> None:
    """A command that gives one of them other values in some fields."""

    @app.command(name, help=f"{name.replace('-', ' ').capitalize()} a {kind.noun}.")
    def change(name: Name) -> None:
        with opened() as backend:
            document = kind.one(backend, name)
            backend.change(kind.resource, changes, **kind.keys(document))
        typer.echo(f"{done} {kind.noun} {document[kind.key]!r}.")


def _add_ls(app: typer.Typer, kind: Kind) -> None:
    @app.command("ls", help=f"List {kind.noun}s.")
    def ls(limit: Limit = kind.limit, output: Output = None, as_json: AsJson = False) -> None:
        kind.show(NO_FILTER, limit, output or as_json)


def _add_inspect(app: typer.Typer, kind: Kind) -> None:
    @app.command("inspect", help=f"Show all that is known of a {kind.noun}.")
    def inspect(name: Name, output: Output = None, as_json: AsJson = False) -> None:
        with opened() as backend:
            print_fields(kind.one(backend, name), output or as_json)


def _add_delete(app: typer.Typer, kind: Kind) -> None:
    @app.command("delete", help=f"Delete a {kind.noun}.")
    def delete(name: Name, yes: Yes = False) -> None:
        with opened() as backend:
            document = kind.one(backend, name)
            may(f"Delete the {kind.noun} {document[kind.key]!r}, and all that is part of it?", yes)
            backend.delete(kind.resource, **kind.keys(document))
        typer.echo(f"Deleted {kind.noun} {document[kind.key]!r}.")


_COMMANDS = {"ls": _add_ls, "inspect": _add_inspect, "delete": _add_delete}
