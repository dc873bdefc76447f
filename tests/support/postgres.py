"""A real PostgreSQL for tests: one server for all workers of a test run, a database of its own for each test.

The server listens on a socket in a folder of its own only, runs as an unprivileged user, and trades durability for
speed. Every process that uses it holds a shared lock on a file; whoever can have that lock alone was the last one and
stops the server, so that nothing is left even if a worker was killed.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from orchestration.persistence.database import migrations
from orchestration.persistence.postgres import PostgresDatabase

RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))[:16]
FOLDER = Path(tempfile.gettempdir()) / f"orchestration-postgres-{RUN}"
QUICK = (
    "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off "
    "-c shared_buffers=64MB -c max_connections=200"
)
TEMPLATE = "template_with_tables"
_numbers = count()
_free: list[str] = []
"""Databases of this process that no test uses."""
_held: list[int] = []
"""The lock that this process holds while it uses the server."""


@lru_cache(maxsize=1)
def binaries() -> Path | None:
    """The folder of the newest PostgreSQL that is installed, if one is."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in found), key=lambda path: int(path.parent.name), default=None)


@contextmanager
def new_database() -> Iterator[str]:
    """The URL of a database that nobody else uses, with the tables of this version, all empty."""
    _use_server()
    name = _free.pop() if _free else _create(TEMPLATE)
    try:
        yield url_of(name)
    finally:
        _empty(name)
        _free.append(name)


@contextmanager
def bare_database() -> Iterator[str]:
    """The URL of a database that nobody else uses, without tables."""
    _use_server()
    name = _create("template1")
    try:
        yield url_of(name)
    finally:
        _administer("postgres", f"DROP DATABASE {name} WITH (FORCE)")


def url_of(name: str) -> str:
    """The URL of a database of the server."""
    return f"postgresql://postgres@/{name}?host={quote(str(FOLDER), safe='')}"


def leave_server() -> None:
    """Say that this process needs the server no more; the last one that does so stops it."""
    while _held:
        with _turn():
            users = _held.pop()
            with suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _control("stop", "-m", "immediate")
                shutil.rmtree(FOLDER)
            os.close(users)


def _use_server() -> None:
    if _held:
        return
    if binaries() is None:
        reason = "PostgreSQL is not installed (on Debian: apt-get install postgresql)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with _turn():
        if not (FOLDER / "data" / "postmaster.pid").exists():
            _start()
        users = os.open(FOLDER / "users.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(users, fcntl.LOCK_SH)
        _held.append(users)


@contextmanager
def _turn() -> Iterator[None]:
    """Only one process at a time starts the server, or stops it; the lock is on a folder that is always there."""
    turn = os.open(FOLDER.parent, os.O_RDONLY)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield
    finally:
        os.close(turn)


def _start() -> None:
    """Make a cluster, start its server, and make the database that all others are copies of."""
    FOLDER.mkdir(exist_ok=True)
    identity = _unprivileged()
    if identity:
        os.chown(FOLDER, identity["user"], identity["group"])
    _run("initdb", "-D", FOLDER / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    options = f"{QUICK} -c unix_socket_directories='{FOLDER}'"
    _control("start", "-w", "-l", FOLDER / "log", "-o", options)
    _administer("postgres", f"CREATE DATABASE {TEMPLATE}")
    PostgresDatabase(url_of(TEMPLATE)).close()


def _control(*arguments: str | Path) -> None:
    _run("pg_ctl", "-D", FOLDER / "data", *arguments)


def _run(command: str, *arguments: str | Path) -> None:
    """Run one of PostgreSQL's commands, as somebody whom it is willing to run for."""
    program = (binaries() or Path()) / command
    done = subprocess.run(
        [program, *arguments], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False,
        **_unprivileged(),
    )  # fmt: skip
    assert done.returncode == 0, f"{command} failed"


def _unprivileged() -> dict[str, Any]:
    """Whom to be while running a command: PostgreSQL refuses to run for root."""
    if os.getuid() != 0:
        return {}
    users = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = users.get("postgres", users["nobody"])
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _create(template: str) -> str:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _administer("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


def _empty(name: str) -> None:
    """Remove all rows, and count from one again: a fiftieth of the time of another database."""
    made = "".join(sql for _, sql in migrations())
    statements = [f"DELETE FROM {table}" for table in re.findall(r"CREATE TABLE (\w+)", made)]  # noqa: S608 - our own
    counting = re.findall(r"CREATE TABLE (\w+) \(\s*(\w+) \{sequence\}", made)
    statements += [f"ALTER TABLE {table} ALTER {column} RESTART" for table, column in counting]
    _administer(name, "; ".join(statements))


def _administer(database: str, statement: str) -> None:
    with closing(psycopg.connect(url_of(database), autocommit=True)) as connection:
        connection.execute(statement.encode())
