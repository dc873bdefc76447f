"""Listings of a store with 100,000 flow runs, 1,000,000 task runs and 1,000,000 log lines, asked of a server.

On SQLite, and on PostgreSQL where its binaries are installed.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from benchmarks.common import OURS, Contender, Options
from benchmarks.filling import NOW, Sizes, fill
from benchmarks.report import Measure, main
from benchmarks.serving import ask, serving
from orchestration.backend.connect import open_backend
from orchestration.backend.local import LocalBackend
from orchestration.domain.schemas.wire import moment_text
from orchestration.domain.settings import Settings
from orchestration.domain.states import StoredResult
from tests.support.postgres import binaries, leave_server, new_database

ROUNDS = 8
QUICK = Sizes(2_000, 20_000, 20_000, 500, 1_000)


def measure(options: Options) -> Sequence[Measure]:
    """The 95th percentile over all listings of a group, in milliseconds."""
    sizes = Sizes() if options.runs > 1 else QUICK
    measures = []
    for name, opened in _stores():
        with opened as settings, TemporaryDirectory(prefix="benchmark-") as folder:
            backend = open_backend(settings, StoredResult)
            assert isinstance(backend, LocalBackend)
            big = str(fill(backend, sizes, random.Random(1)))
            backend.close()
            if settings.database_url:
                _gather_statistics(settings.database_url)
            seconds = _asked(settings, Path(folder), big)
        what = f"{sizes.flow_runs:,} runs on {name}"
        for group, times in seconds.items():
            at_most = 300 if group == "free text within a run" else 50
            p95 = quantiles(times, n=20)[-1] * 1e3
            measures.append(Measure(what=f"{group}, p95, {what}", unit="ms", ours=[p95], at_most=at_most))
    return measures


def _gather_statistics(url: str) -> None:
    """What a server of PostgreSQL does by itself, within minutes; that of the tests does not."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _asked(settings: Settings, home: Path, big: str) -> Mapping[str, list[float]]:
    """The seconds of every answer, by group."""
    more = {"ORCHESTRATION_HOME": str(settings.home)}
    if settings.database_url:
        more["ORCHESTRATION_DATABASE_URL"] = settings.database_url
    found: dict[str, list[float]] = {}
    with serving(Contender(OURS, sys.executable), home, more) as server, server.connection() as connection:
        for group, path, body in _questions(big):
            ask(connection, path, body)  # the first reads what no cache has
            found.setdefault(group, []).extend(ask(connection, path, body)[0] for _ in range(ROUNDS))
    return found


def _questions(big: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """What pages and command lines ask for."""
    failed = {"flow_runs": {"state": {"type": {"any_": ["FAILED", "CRASHED"]}}}}
    day = {"after_": moment_text(NOW - timedelta(days=1)), "before_": moment_text(NOW)}
    narrowed: list[dict[str, Any]] = [
        {}, failed, {"flows": {"name": {"any_": ["smoke"]}}}, {"flow_runs": {"tags": {"all_": ["monthly"]}}},
        {"flow_runs": {"start_time": day}}, {"flow_runs": {"name": {"like_": "run-77"}}},
    ]  # fmt: skip
    for where in narrowed:
        for sort in ("START_TIME_DESC", "EXPECTED_START_TIME_DESC", "ID_DESC"):
            yield "flow_runs/filter", "flow_runs/filter", {**where, "sort": sort, "limit": 50}
        yield "flow_runs/paginate", "flow_runs/paginate", {**where, "limit": 20, "page": 2}
    yield "task_runs/filter", "task_runs/filter", {"task_runs": {"flow_run_id": {"any_": [big]}}, "limit": 200}
    yield "task_runs/filter", "task_runs/filter", {"task_runs": {"state": {"type": {"any_": ["FAILED"]}}}, "limit": 50}
    of_run: dict[str, Any] = {"flow_run_id": {"any_": [big]}}
    for logs in (of_run, {**of_run, "level": {"ge_": 30}}, {**of_run, "timestamp": {"after_": day["after_"]}}):
        for sort in ("TIMESTAMP_ASC", "TIMESTAMP_DESC"):
            yield "logs/filter by run, level and time", "logs/filter", {"logs": logs, "sort": sort}
    for query in ("drifted", "nowhere", '"trips; the month" -fine'):
        yield "free text within a run", "logs/filter", {"logs": {**of_run, "text": {"query": query}}}


def _stores() -> Iterator[tuple[str, Any]]:
    yield "SQLite", _sqlite()
    if binaries() is not None:
        yield "PostgreSQL", _postgres()


@contextmanager
def _sqlite() -> Iterator[Settings]:
    with TemporaryDirectory(prefix="benchmark-") as folder:
        yield Settings(Path(folder))


@contextmanager
def _postgres() -> Iterator[Settings]:
    try:
        with TemporaryDirectory(prefix="benchmark-") as folder, new_database() as url:
            yield Settings(Path(folder), database_url=url)
    finally:
        leave_server()


if __name__ == "__main__":
    main("listings", measure)
