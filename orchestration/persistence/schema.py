"""Bringing a store to the schema of this version, and making it anew: the same steps whatever the database.

The changes of the schema lie in ``migrations``: numbered, and forward only.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from orchestration.domain.errors import NewerSchemaError
from orchestration.persistence.database import Database, Session

# The number of the newest migration; a test holds it to the files.
LATEST = 3


def migrations() -> list[tuple[int, str]]:
    """All migrations as (number, SQL), lowest first; ``{sequence}`` stands for the dialect's counting key."""
    paths = sorted((Path(__file__).parent / "migrations").glob("*.sql"))
    return [(int(path.name[:4]), path.read_text(encoding="utf-8")) for path in paths]


def reset(database: Database, now: datetime) -> None:
    """Remove everything that a database holds and make its tables anew; a SQLite file is copied first."""
    with database.session() as schema, schema.turn():
        schema.back_up(f"before-reset-{now:%Y%m%d-%H%M%S}")
        tables = re.findall(r"CREATE TABLE (\w+)", "".join(sql for _, sql in migrations()))
        schema.script("".join(f"DROP TABLE IF EXISTS {table}; " for table in tables), 0)
        _migrate(schema)


def bring_up_to_date(schema: Session) -> int:
    """Run the migrations that a database has not seen; the version it had.

    Raises:
        NewerSchemaError: it has seen some that this version does not know.
    """
    found = schema.version()
    if found < LATEST:
        with schema.turn():
            _migrate(schema)
    if (version := schema.version()) > LATEST:
        raise NewerSchemaError(
            f"{schema.place} has schema {version}, and this version knows {LATEST}; "
            "install the newer version of the package, or name another store by ORCHESTRATION_HOME or by "
            "ORCHESTRATION_DATABASE_URL."
        )
    return found


def _migrate(schema: Session) -> None:
    version = schema.version()
    if 0 < version < LATEST:
        schema.back_up(f"before-{version + 1:04d}")
    for number, sql in migrations():
        if number > version:
            schema.script(sql, number)
