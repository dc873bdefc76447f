"""Groups of commands from what ``groups.toml`` says of a kind of thing: how it is called, kept and listed."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import typer

from orchestration.backend.connect import open_backend
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import current_settings
from orchestration.cli.app import AT_END, GROUPS
from orchestration.cli.output import Column, may, new_app, print_documents, print_fields
from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.filters import PAGE, Query, among
from orchestration.domain.schemas.wire import Document
from orchestration.domain.states import StoredResult

# The stores that the command in progress has opened: the settings', and this machine's.
_OPEN: dict[bool, Backend] = {}


def store(is_local: bool = False) -> Backend:
    """The store that the settings name, until the command ends; ``is_local`` this machine's, whatever they name."""
    if is_local not in _OPEN:
        settings = current_settings()
        _OPEN[is_local] = open_backend(replace(settings, api_url=None) if is_local else settings, StoredResult)
        AT_END.callback(lambda: _OPEN.pop(is_local).close())
    return _OPEN[is_local]


def with_flow_names(backend: Backend, documents: list[Document]) -> list[Document]:
    """The same documents; those of a flow have its name, which Prefect leaves out."""
    ids = {each["flow_id"] for each in documents if "flow_id" in each and "flow_name" not in each}
    if not ids:
        return documents
    names = {each["id"]: each["name"] for each in backend.find("flows", Query(among("flows", id=ids)))}
    return [{"flow_name": names.get(each["flow_id"]), **each} for each in documents]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of thing that people list, look at, change and remove; ``groups.toml`` says what its fields mean.

    Where the store keeps them in a way of its own, ``rows`` gives all of them.
    """

    resource: str
    noun: str
    help: str
    columns: Sequence[Column]
    verbs: Sequence[str] = ()
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    key: str = "name"
    kept_by: str = "id"
    limit: int = PAGE
    sort: str | None = None
    parent: str = ""
    remedy: str = ""
    is_local: bool = False
    rows: Callable[[], list[Document]] | None = None

    def found(self, where: Mapping[str, Any], limit: int) -> list[Document]:
        """Those that a filter lets through."""
        if self.rows:
            return self.rows()[:limit]
        backend = store(self.is_local)
        return with_flow_names(backend, backend.find(self.resource, Query(where, self.sort, limit)))

    def one(self, text: str) -> Document:
        """The one that a person means by an id, or a name.

        Raises:
            ObjectNotFound: there is none.
            UsageError: there are several of that name.
        """
        if self.rows:
            matching = [each for each in self.rows() if text in (each[self.key], each["id"])]
        else:
            above, _, name = text.rpartition("/") if self.parent else ("", "", text)
            named = {**among(self.resource, **{self.key: [name]}), **among(self.parent, name=above and [above])}
            matching = self.found(among(self.resource, id=[text]) if is_id(text) else named, 2)
        if len(matching) > 1:
            raise UsageError(f"More than one {self.noun} is named {text!r}; give the id instead.")
        return matching[0] if matching else self.missing(text)

    def missing(self, text: str) -> Document:
        """Say that there is none of that name."""
        remedy = self.remedy.format(text) or f"list them with `orchestrate {self.noun.replace(' ', '-')} ls`"
        raise ObjectNotFound(f"There is no {self.noun} {text!r}; {remedy}.")

    def create(self, document: Mapping[str, Any], overwrite: bool | None = None) -> None:
        """Keep a new one, or with ``overwrite`` one in the place of what has its name."""
        try:
            given = {field: value for field, value in document.items() if value is not None}
            store(self.is_local).create(self.resource, given, bool(overwrite))
        except ObjectAlreadyExists:
            hint = "; change that one, or choose another name." if overwrite is None else "; --overwrite changes it."
            raise ObjectAlreadyExists(f"There is already a {self.noun} {document['name']!r}{hint}") from None
        typer.echo(f"Saved {self.noun} {document['name']!r}.", err=self.is_local)

    def show(self, as_json: bool, where: Mapping[str, Any] | None = None, limit: int | None = None) -> None:
        """Print those that a filter lets through."""
        found = self.found(where or {}, limit or self.limit)
        print_documents(found, self.columns, as_json, f"There are no {self.noun}s to show.")

    def change(self, name: str, changes: Mapping[str, Any], verb: str = "change") -> None:
        """Give one other values in some fields, and say so."""
        document = self.one(name)
        store(self.is_local).change(self.resource, changes, **{self.kept_by: document[self.kept_by]})
        typer.echo(f"{verb.capitalize()}d {self.noun} {document[self.key]!r}.")

    def changing(self, verb: str, changes: Mapping[str, Any]) -> Callable[..., None]:
        """The command that gives one these values."""

        def change(name: str) -> None:
            self.change(name, changes, verb)

        return change

    # -- commands, under their own names -------------------------------------------------------------------------------

    def ls(self, limit: int | None = None, as_json: bool = False) -> None:
        """List them."""
        self.show(as_json, limit=limit)

    def inspect(self, name: str, as_json: bool = False) -> None:
        """Show all fields of one."""
        print_fields(self.one(name), as_json)

    def delete(self, name: str, yes: bool = False) -> None:
        """Remove one, and what is part of it, once somebody agreed."""
        document = self.one(name)
        may(f"Delete the {self.noun} {document[self.key]!r}, and all that is part of it?", yes)
        store(self.is_local).delete(self.resource, **{self.kept_by: document[self.kept_by]})
        typer.echo(f"Deleted {self.noun} {document[self.key]!r}.")

    unset = delete

    def set_concurrency_limit(self, name: str, concurrency_limit: int) -> None:
        """Let so many runs of one go on at a time."""
        self.change(name, {"concurrency_limit": concurrency_limit})

    def clear_concurrency_limit(self, name: str) -> None:
        """Let any number of runs of one go on at a time."""
        self.change(name, {"concurrency_limit": None})


def kind_of(name: str, **own: Any) -> Kind:
    """The kind that a group is about; ``own`` are the fields that are functions."""
    return Kind(**{field: value for field, value in GROUPS[name].items() if field != "module"}, **own)


def group(kind: Kind) -> typer.Typer:
    """A group with the commands that are the same for all kinds."""
    app = new_app(kind.help)
    commands = {verb: getattr(kind, verb.replace("-", "_")) for verb in kind.verbs}
    commands |= {verb: kind.changing(verb, changes) for verb, changes in kind.changes.items()}
    for verb, command in commands.items():
        said = f"{verb.replace('-', ' ').capitalize()} {'of a' if '-' in verb else 'a'} {kind.noun}."
        app.command(verb, help=f"List {kind.noun}s." if verb == "ls" else said)(command)
    return app


def is_id(text: str) -> bool:
    """Whether a text is the id of something."""
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text, re.IGNORECASE) is not None


def value_of(text: str) -> Any:
    """What a person means by a text: JSON where it is some, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
