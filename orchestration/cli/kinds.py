"""Groups of commands from descriptions: what a thing is called, where it is kept, and which columns its table has."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import current_settings
from orchestration.cli.output import AsJson, Column, Limit, Yes, may, new_app, print_documents, print_fields
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.filters import PAGE, Query, among
from orchestration.domain.schemas.wire import Document, StoredDocument

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")]
Slots = Annotated[int, typer.Argument(metavar="CONCURRENCY_LIMIT", help="How many at once.", min=0)]
NO_FILTER: Mapping[str, Any] = {}


@contextmanager
def opened(is_local: bool = False) -> Iterator[Backend]:
    """The store that the settings name, for one command; ``is_local`` this machine's, whatever server they name."""
    settings = current_settings()
    backend = open_backend(replace(settings, api_url=None) if is_local else settings, StoredDocument)
    try:
        yield backend
    finally:
        backend.close()


def found(
    backend: Backend, resource: str, where: Mapping[str, Any], limit: int = sys.maxsize, sort: str | None = None
) -> Iterator[Document]:
    """A listing of any length, page by page; what is of a flow tells that flow's name, which Prefect leaves out."""
    for offset in range(0, limit, PAGE):
        size = min(PAGE, limit - offset)
        page = backend.find(resource, Query(where, sort, size, offset))
        yield from with_flow_names(backend, page)
        if len(page) < size:
            return


def with_flow_names(backend: Backend, documents: list[Document]) -> list[Document]:
    """The same documents; those of a flow have its name."""
    ids = {each["flow_id"] for each in documents if "flow_id" in each and "flow_name" not in each}
    if not ids:
        return documents
    names = {each["id"]: each["name"] for each in backend.find("flows", Query(among("flows", id=ids)))}
    return [{"flow_name": names.get(each["flow_id"]), **each} for each in documents]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing that people list, look at, change and remove.

    ``key`` is the field with what people call it, ``kept_by`` the one by which the store finds it, and ``parent`` the
    resource whose name may stand before its own, as in ``flow/deployment``.
    """

    resource: str
    noun: str
    columns: tuple[Column, ...]
    key: str = "name"
    kept_by: str = "id"
    limit: int = PAGE
    sort: str | None = None
    parent: str = ""
    is_local: bool = False

    def found(self, backend: Backend, where: Mapping[str, Any], limit: int) -> list[Document]:
        """Those that a filter lets through."""
        return list(found(backend, self.resource, where, limit, self.sort))

    def one(self, backend: Backend, text: str) -> Document:
        """The one that a person means by an id, or a name.

        Raises:
            ObjectNotFound: there is none.
            UsageError: there are several of that name.
        """
        if is_id(text):
            return with_flow_names(backend, [backend.read(self.resource, id=text)])[0]
        above, _, name = text.rpartition("/") if self.parent else ("", "", text)
        where = {**among(self.resource, **{self.key: [name]}), **(among(self.parent, name=[above]) if above else {})}
        matching = self.found(backend, where, 2)
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

    def show(self, as_json: bool, where: Mapping[str, Any] = NO_FILTER, limit: int = PAGE) -> None:
        """Print those that a filter lets through."""
        with opened(self.is_local) as backend:
            documents = self.found(backend, where, limit)
        print_documents(documents, self.columns, as_json, f"There are no {self.noun}s to show.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Records(Kind):
    """A kind that the store keeps in a way of its own: ``rows`` gives all of them, ``save`` and ``remove`` take one."""

    rows: Callable[[Backend], list[Document]]
    remove: Callable[[Backend, Document], object]
    save: Callable[[Backend, Document], None] | None = None

    def found(self, backend: Backend, where: Mapping[str, Any], limit: int) -> list[Document]:
        """The first of them."""
        return self.rows(backend)[:limit]

    def one(self, backend: Backend, text: str) -> Document:
        """The one that a person means by an id, or a name."""
        meant = (each for each in self.rows(backend) if text in (each[self.key], each["id"]))
        return next(meant, None) or self.missing(text)

    def change(self, backend: Backend, document: Document, changes: Mapping[str, Any]) -> None:
        """Give one other values in some fields."""
        if self.save:
            self.save(backend, {**document, **changes})

    def delete(self, backend: Backend, document: Document) -> None:
        """Remove one."""
        self.remove(backend, document)


def group(kind: Kind, help_text: str, commands: str, **changes: Mapping[str, Any]) -> typer.Typer:
    """A group with some of the commands that are here, and with commands that each change one in the same way."""

    def ls(limit: Limit = kind.limit, as_json: AsJson = False) -> None:
        kind.show(as_json, limit=limit)

    def inspect(name: Name, as_json: AsJson = False) -> None:
        with opened(kind.is_local) as backend:
            print_fields(kind.one(backend, name), as_json)

    def delete(name: Name, yes: Yes = False) -> None:
        with opened(kind.is_local) as backend:
            document = kind.one(backend, name)
            may(f"Delete the {kind.noun} {document[kind.key]!r}, and all that is part of it?", yes)
            kind.delete(backend, document)
        typer.echo(f"Deleted {kind.noun} {document[kind.key]!r}.")

    def set_limit(name: Name, concurrency_limit: Slots) -> None:
        changed(kind, name, {"concurrency_limit": concurrency_limit})

    ready: dict[str, Callable[..., None]] = {"ls": ls, "inspect": inspect, "delete": delete, "unset": delete}
    ready |= {"set-concurrency-limit": set_limit, **{verb: _change(kind, verb, each) for verb, each in changes.items()}}
    app = new_app(help_text)
    for verb in (*commands.split(), *changes):
        said = f"{verb.replace('-', ' ').capitalize()} {'of a' if '-' in verb else 'a'} {kind.noun}."
        app.command(verb, help=f"List {kind.noun}s." if verb == "ls" else said)(ready[verb])
    return app


def changed(kind: Kind, name: str, changes: Mapping[str, Any], verb: str = "change") -> None:
    """Give one other values in some fields, and say so."""
    with opened(kind.is_local) as backend:
        document = kind.one(backend, name)
        kind.change(backend, document, changes)
    typer.echo(f"{verb.capitalize()}d {kind.noun} {document[kind.key]!r}.")


def _change(kind: Kind, verb: str, changes: Mapping[str, Any]) -> Callable[..., None]:
    def change(name: Name) -> None:
        changed(kind, name, changes, verb)

    return change


def is_id(text: str) -> bool:
    """Whether a text is the id of something."""
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text, re.IGNORECASE) is not None


def value_of(text: str) -> Any:
    """What a person means by a text: JSON where it is some, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
