"""The tables as SQLAlchemy knows them."""

from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, Float, MetaData, Table, Text

from orchestration.persistence.columns import SPECS

METADATA = MetaData()
_TYPES = {"time": BigInteger, "flag": BigInteger, "number": BigInteger, "duration": BigInteger, "real": Float}

TABLES: Mapping[str, Table] = {
    resource: Table(
        spec.table, METADATA, *(Column(name, _TYPES.get(kind, Text)) for name, kind in spec.columns.items())
    )
    for resource, spec in SPECS.items()
}
"""By the resource whose rows they hold."""
