"""The tables as SQLAlchemy knows them; the migrations make them, and a test holds the two together."""

from typing import Any

from sqlalchemy import BigInteger, Column, Float, Integer, MetaData, Table, Text

METADATA = MetaData()


def _table(name: str, text: str = "", integer: str = "", real: str = "") -> Table:
    columns: list[Column[Any]] = [Column(column, Text) for column in text.split()]
    columns += [Column(column, BigInteger) for column in integer.split()]
    columns += [Column(column, Float) for column in real.split()]
    return Table(name, METADATA, *columns)


flow = _table("flow", "id name tags labels", "created")
flow_run = _table(
    "flow_run",
    "id flow_id name flow_version deployment_id parameters context policy tags labels idempotency_key "
    "parent_task_run_id state_id state_type state_name owner_host owner_boot owner_started",
    "created updated state_timestamp run_count expected_start_time start_time end_time total_run_time owner_pid",
)
flow_run_state = _table("flow_run_state", "id flow_run_id type name message details data", "timestamp")
task_run = _table(
    "task_run",
    "id flow_run_id name task_key dynamic_key task_version cache_key policy tags labels task_inputs state_id "
    "state_type state_name owner history",
    "created state_timestamp run_count flow_run_run_count expected_start_time start_time end_time total_run_time",
)
log = Table(
    "log",
    METADATA,
    Column("sequence", Integer, primary_key=True),
    *(Column(name, Text) for name in ("name", "message", "flow_run_id", "task_run_id")),
    *(Column(name, BigInteger) for name in ("level", "timestamp")),
)
artifact = _table("artifact", "id key type description data metadata flow_run_id task_run_id", "created updated")
artifact_collection = _table("artifact_collection", "key id latest_id", "created updated")
