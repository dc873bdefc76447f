"""Rows that are read and written as JSON documents, whatever the table.

The tables are data: one description, read from what the migrations say of them, serves the statements here, the
listings, and the way between a row and the JSON document that travels over the wire, with what
else the REST interface shows of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration.domain.errors import ObjectAlreadyExists, ObjectNotFound
from orchestration.domain.rules import NEVER, RetryPolicy
from orchestration.domain.schemas import wire
from orchestration.domain.schemas.wire import Document
from orchestration.persistence.database import STATEMENTS, Database, Row, Transaction, migrations

Source = Database | Transaction

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
encode: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode
decode: Callable[[str], Any] = json.loads


def micros(moment: datetime) -> int:
    """Whole microseconds since the epoch."""
    return (moment - _EPOCH) // _MICROSECOND


def micros_of(value: Any) -> int | None:
    """A time, or the text of one in a document, as a column has it."""
    if value is None or isinstance(value, int):
        return value
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return micros(moment if moment.tzinfo else moment.astimezone())


def moment(value: int) -> datetime:
    """The UTC time of a column that has one."""
    return _EPOCH + timedelta(microseconds=value)

# A limit that limits nothing.
MANY = 2**62

# What the migrations do not say: by table, the resource that it holds, unless that is its plural; by kind, the columns
# that hold it, named with their table where tables differ (what is in the others, their types tell); the columns that
# documents call otherwise; those that they do not show, since they are the store's own or another field tells; and
# those of a flow run that change with its state.
_TOLD = json.loads(Path(__file__).with_name("columns.json").read_text(encoding="ascii"))
_KINDS = {name: kind for kind, names in _TOLD["kinds"].items() for name in names.split()}
HIDDEN, FOLLOWING = _TOLD["hidden"].split(), _TOLD["following"].split()

# What makes a row unique besides its id, as the migrations say it: of several columns, or of one.
_KEY = re.compile(r"(?m)^    (?:(?:UNIQUE|PRIMARY KEY) \((?P<all>.*)\)|(?!id )(?P<one>\w+) .*(?:UNIQUE|PRIMARY KEY))")


@dataclass(frozen=True, slots=True)
class Spec:
    """A table: ``columns`` by name with their kind, ``key`` what makes a row unique besides its id.

    ``source`` is the SELECT that adds to its rows what follows from others; ``names`` are all columns of that one,
    ``shown`` those that a document has, with their kind, and ``select`` asks for these.
    """

    table: str
    key: Sequence[str]
    columns: Mapping[str, str]
    source: str
    names: Sequence[str]
    shown: Mapping[str, str]
    select: str


_SQL = "".join(sql for _, sql in migrations())
_ADDED = re.findall(r"ALTER TABLE (\w+) ADD COLUMN (\w+) (\S+?)\b", _SQL)


def _spec(resource: str, table: str, made: str) -> Spec:
    typed = re.findall(r"^    ([a-z_]+) ([\w{}]+)", made, re.MULTILINE)
    typed += [(name, kind) for altered, name, kind in _ADDED if altered == table]
    source = STATEMENTS.get(resource, f"SELECT * FROM {table}")  # noqa: S608 - a fixed text
    further = [(name, "TEXT") for name in re.findall(r" AS (\w+)", source)]
    kinds = {
        name: _KINDS.get(f"{table}.{name}") or _KINDS.get(name) or _TOLD["types"].get(kind, "text")
        for name, kind in (*typed, *further)
    }
    shown = {name: kind for name, kind in kinds.items() if name[:3] not in ("by_", "if_")}
    key = _KEY.search(made)
    return Spec(
        table=table, source=source, names=tuple(kinds), shown=shown,
        key=(key["all"] or key["one"]).split(", ") if key else (),
        columns={name: kinds[name] for name, _ in typed},
        select=f"SELECT {', '.join(shown)} FROM ({source}) AS shown",  # noqa: S608 - fixed texts
    )  # fmt: skip


# By resource.
SPECS: Mapping[str, Spec] = {
    resource: _spec(resource, table, made)
    for table, made in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\);", _SQL, re.DOTALL)
    for resource in (_TOLD["resources"].get(table, f"{table}s"),)
}


def _decoded(text: str | None) -> Any:
    """What a column of JSON holds; most of them hold nothing, and a listing reads two thousand at once."""
    if text is None or text == "null":
        return None
    return {} if text == "{}" else [] if text == "[]" else decode(text)


def policy_text(policy: RetryPolicy) -> str:
    """The column text of a retry policy."""
    return "{}" if policy == NEVER else encode(wire.policy_document(policy))


def _unless_none(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "json": _decoded, "value": decode, "flag": bool,
    "time": _unless_none(lambda value: wire.moment_text(moment(value))),
    "duration": lambda value: (value or 0) / 1e6,
    "policy": lambda value: wire.policy_document(wire.policy_of(_decoded(value))),
}
_WRITE: Mapping[str, Callable[[Any], Any]] = {
    "json": _unless_none(encode), "value": encode, "time": micros_of, "flag": _unless_none(int),
    "duration": lambda value: round(value * 1e6), "text": _unless_none(str),
    "policy": lambda value: policy_text(value if isinstance(value, RetryPolicy) else wire.policy_of(value)),
}


def _to_row(kinds: Mapping[str, str], document: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a document sets, by name; what is no column is left out."""
    named = {_TOLD["aliases"].get(name, name): value for name, value in document.items()}
    given = {name: value for name, value in named.items() if name in kinds}
    return {name: _WRITE[kinds[name]](value) if kinds[name] in _WRITE else value for name, value in given.items()}


def to_document(resource: str, row: Row, shown: bool = False) -> Document:
    """The document of a row; with ``shown``, what it shows of other rows included."""
    kinds = (SPECS[resource].shown if shown else SPECS[resource].columns).items()
    return {name: _READ[kind](row[name]) if kind in _READ else row[name] for name, kind in kinds}


def insert(tx: Transaction, resource: str, document: Mapping[str, Any], overwrite: bool = False) -> Document:
    """Store a document; the answer is what is stored, since one that is replaced keeps its id and birth.

    Raises:
        ObjectAlreadyExists: there is one of the same key, and ``overwrite`` is false.
    """
    spec = SPECS[resource]
    row = _to_row(spec.columns, document)
    changing = [name for name in row if name not in ("id", "created", *spec.key)]
    keep = "DO NOTHING"
    if overwrite and spec.key:
        keep = f"({', '.join(spec.key)}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in changing)}"
    stored = tx.execute(
        f"INSERT INTO {spec.table} ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)}) "  # noqa: S608
        f"ON CONFLICT {keep} RETURNING *",
        row,
    )
    if not stored:
        key = {name: row[name] for name in spec.key or ("id",)}
        raise ObjectAlreadyExists(f"There is already {_describe(resource, key)}.")
    return to_document(resource, stored[0])


def rows(
    source: Source, resource: str, keys: Mapping[str, Any], limit: int = MANY, order: str = "id DESC"
) -> list[Row]:
    """The rows that have these values, with what they show of others; newest first, or in another order."""
    spec = SPECS[resource]
    ask = source.read if isinstance(source, Database) else source.execute
    ordered = f"ORDER BY {order}" if "id" in spec.columns else ""
    sql = f"{spec.select} WHERE {_equal(keys)} {ordered} LIMIT {limit}"
    return ask(sql, _to_row(spec.shown, keys))


def locked_row(source: Source, resource: str, row_id: UUID) -> Row:
    """The row of that id; a transaction that reads it waits until no other one holds it, and holds it to its end.

    Raises:
        ObjectNotFound: there is none.
    """
    if not isinstance(source, Database):
        source.lock(f"{resource} {row_id}")
    for row in rows(source, resource, {"id": row_id}):
        return row
    raise not_found(resource, {"id": row_id})


def read(source: Source, resource: str, keys: Mapping[str, Any], order: str = "id DESC") -> list[Document]:
    """The documents that have these values, newest first, or in another order."""
    return [to_document(resource, row) for row in rows(source, resource, keys, order=order)]


def not_found(resource: str, keys: Mapping[str, Any]) -> ObjectNotFound:
    """The error that tells what is not there."""
    return ObjectNotFound(f"There is no {_describe(resource, keys)}.")


def update(tx: Transaction, resource: str, changes: Mapping[str, Any], keys: Mapping[str, Any]) -> list[Document]:
    """Change fields of the documents whose columns have these values; those documents, as they are then."""
    columns = SPECS[resource].columns
    row = _to_row(columns, changes)
    if not row:
        return read(tx, resource, keys)
    sets = ", ".join(f"{name} = :new_{name}" for name in row)
    params = {**{f"new_{name}": value for name, value in row.items()}, **_to_row(columns, keys)}
    sql = f"UPDATE {SPECS[resource].table} SET {sets} WHERE {_equal(keys)} RETURNING *"  # noqa: S608
    return [to_document(resource, changed) for changed in tx.execute(sql, params)]


def delete(tx: Transaction, resource: str, keys: Mapping[str, Any]) -> list[Document]:
    """Remove the documents whose columns have these values; those that were there."""
    sql = f"DELETE FROM {SPECS[resource].table} WHERE {_equal(keys)} RETURNING *"  # noqa: S608
    return [to_document(resource, row) for row in tx.execute(sql, _to_row(SPECS[resource].columns, keys))]


def _equal(keys: Mapping[str, Any]) -> str:
    equal = (f"{name} IS NULL" if value is None else f"{name} = :{name}" for name, value in keys.items())
    return " AND ".join(equal) or "1 = 1"


def _describe(resource: str, keys: Mapping[str, Any]) -> str:
    said = " and ".join(f"{name} {str(value)!r}" for name, value in keys.items())
    return f"{resource.removesuffix('s').replace('_', ' ')} with the {said}"
