"""Groups of commands from descriptions: what a thing is called, where it is kept, and which columns its table has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Annotated, Any
from uuid import UUID

import typer

from orchestration.backend.port import Backend
from orchestration.cli.output import AsJson, Column, Limit, Yes, may, new_app, print_documents, print_fields
from orchestration.cli.store import NO_FILTER, found, opened, with_flow_names
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.filters import among
from orchestration.domain.schemas.wire import Document

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")]
Pool = Annotated[str | None, typer.Option("--pool", "-p", help="The name of its work pool.")]
Slots = Annotated[int, typer.Argument(metavar="CONCURRENCY_LIMIT", help="How many at once.", min=0)]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing that people list, look at, change and remove; a subclass says how, where it is no document.

    ``key`` is the field with what people call it, ``kept_by`` the one by which the store finds it.
    """

    resource: str
    noun: str
    columns: tuple[Column, ...]
    key: str = "name"
    kept_by: str = "id"
    limit: int = 15
    sort: str | None = None
    has_pool: bool = False
    is_local: bool = False

    def found(self, backend: Backend, where: Mapping[str, Any], limit: int | None, sort: str | None) -> list[Document]:
        """Those that a filter lets through."""
        return list(found(backend, self.resource, where, limit, sort or self.sort))

    def one(self, backend: Backend, text: str, pool: str | None = None) -> Document:
        """The one that a person means by an id, a name, or, for a deployment, the flow's name and its own.

        Raises:
            ObjectNotFound: there is none.
            UsageError: there are several of that name.
        """
        if _is_id(text):
            return with_flow_names(backend, [backend.read(self.resource, id=text)])[0]
        flow, _, name = text.rpartition("/") if self.resource == "deployments" else ("", "", text)
        where = {**in_pool(pool), **among("flows", name=[flow] if flow else [])}
        matching = self.found(backend, {**where, **among(self.resource, **{self.key: [name]})}, 2, None)
        if len(matching) > 1:
            raise UsageError(f"More than one {self.noun} is named {text!r}; give the id instead.")
        return matching[0] if matching else self.missing(text)

    def missing(self, text: str) -> Document:
        """Say that there is none of that name."""
        raise ObjectNotFound(
            f"There is no {self.noun} {text!r}; list them with `orchestrate {self.noun.replace(' ', '-')} ls`."
        )

    def create(self, document: Mapping[str, Any], overwrite: bool | None = None) -> None:
        """Keep a new one, or with ``overwrite`` one in the place of what has its name."""
        with opened(self.is_local) as backend:
            try:
                backend.create(self.resource, {k: v for k, v in document.items() if v is not None}, bool(overwrite))
            except ObjectAlreadyExists:
                hint = "." if overwrite is None else "; --overwrite changes it."
                raise ObjectAlreadyExists(f"There is already a {self.noun} {document['name']!r}{hint}") from None
        typer.echo(f"Saved {self.noun} {document['name']!r}.", err=self.is_local)

    def change(self, backend: Backend, document: Document, changes: Mapping[str, Any]) -> None:
        """Give one other values in some fields."""
        backend.change(self.resource, changes, **{self.kept_by: document[self.kept_by]})

    def delete(self, backend: Backend, document: Document) -> None:
        """Remove one."""
        backend.delete(self.resource, **{self.kept_by: document[self.kept_by]})

    def show(
        self, as_json: bool, where: Mapping[str, Any] = NO_FILTER, limit: int | None = None, sort: str | None = None
    ) -> None:
        """Print those that a filter lets through."""
        with opened(self.is_local) as backend:
            documents = self.found(backend, where, limit, sort)
        print_documents(documents, self.columns, as_json, f"There are no {self.noun}s to show.")


def in_pool(name: str | None) -> dict[str, Any]:
    """The filter of what is in a work pool, when one is named."""
    return among("work_pools", name=[name] if name else [])


def group(kind: Kind, help_text: str, commands: str, **changes: Mapping[str, Any]) -> typer.Typer:
    """A group with some of ``ls``, ``inspect`` and ``delete``, and commands that each change one in the same way."""
    app = new_app(help_text)
    for name in commands.split():
        _add(app, kind, name, _COMMANDS[name](kind))
    for name, values in changes.items():
        _add(app, kind, name, _change(kind, name, values))
    return app


def add_limit(app: typer.Typer, kind: Kind) -> None:
    """The commands that limit how many runs run at once, and no longer do."""

    def set_limit(name: Name, concurrency_limit: Slots, pool: Pool = None) -> None:
        changed(kind, name, {"concurrency_limit": concurrency_limit}, pool)

    _add(app, kind, "set-concurrency-limit", set_limit)
    _add(app, kind, "clear-concurrency-limit", _change(kind, "change", {"concurrency_limit": None}))


def changed(kind: Kind, name: str, changes: Mapping[str, Any], pool: str | None = None, verb: str = "change") -> None:
    """Give one other values in some fields, and say so."""
    with opened(kind.is_local) as backend:
        document = kind.one(backend, name, pool)
        kind.change(backend, document, changes)
    typer.echo(f"{verb.capitalize()}d {kind.noun} {document[kind.key]!r}.")


def _change(kind: Kind, verb: str, changes: Mapping[str, Any]) -> Callable[..., None]:
    def change(name: Name, pool: Pool = None) -> None:
        changed(kind, name, changes, pool, verb)

    return change


def _ls(kind: Kind) -> Callable[..., None]:
    def ls(limit: Limit = kind.limit, pool: Pool = None, as_json: AsJson = False) -> None:
        kind.show(as_json, in_pool(pool), limit)

    return ls


def _inspect(kind: Kind) -> Callable[..., None]:
    def inspect(name: Name, pool: Pool = None, as_json: AsJson = False) -> None:
        with opened() as backend:
            print_fields(kind.one(backend, name, pool), as_json)

    return inspect


def _delete(kind: Kind) -> Callable[..., None]:
    def delete(name: Name, pool: Pool = None, yes: Yes = False) -> None:
        with opened() as backend:
            document = kind.one(backend, name, pool)
            may(f"Delete the {kind.noun} {document[kind.key]!r}, and all that is part of it?", yes)
            kind.delete(backend, document)
        typer.echo(f"Deleted {kind.noun} {document[kind.key]!r}.")

    return delete


_COMMANDS = {"ls": _ls, "inspect": _inspect, "delete": _delete, "unset": _delete}


def _add(app: typer.Typer, kind: Kind, name: str, command: Callable[..., None]) -> None:
    """Add a command; only kinds that are in work pools have the option that names one."""
    if not kind.has_pool:
        whole = signature(command, eval_str=True)
        shown = [each for each in whole.parameters.values() if each.name != "pool"]
        command.__signature__ = whole.replace(parameters=shown)  # type: ignore[attr-defined]
    verb, _, what = name.partition("-")
    said = f"{verb.capitalize()} the {what.replace('-', ' ')} of a {kind.noun}" if what else f"{verb} a {kind.noun}"
    app.command(name, help=f"List {kind.noun}s." if name == "ls" else f"{said[0].upper()}{said[1:]}.")(command)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
