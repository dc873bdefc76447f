"""Task runs, and the log lines of runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from orchestration.backend.clock import new_id, utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.recording import Batch, LogRow, changed_task_run
from orchestration.domain.schemas.wire import Document, state_of, task_run_of
from orchestration.domain.states import Pending
from orchestration.server.answers import Json, of_decision, of_state
from orchestration.server.api.documents import Keys

# Characters of a line that are kept.
LONGEST = 1_000_000


def create(backend: Backend, _keys: Keys, body: Any) -> Document:
    """Store a task run; one of the same flow run, task and dynamic key that is there already is the answer."""
    keys = {"flow_run_id": body.flow_run_id, "task_key": body.task_key, "dynamic_key": body.dynamic_key}
    if body.flow_run_id is not None:
        try:
            return backend.read("task_runs", **keys)
        except ObjectNotFound:
            backend.flow_run(body.flow_run_id)
    now, run_id = utc_now(), body.id or new_id()
    name = body.name or f"{body.task_key}-{body.dynamic_key}"
    run = task_run_of({**body.whole(), "id": run_id, "name": name, "created": now.isoformat(), "state": None})
    given = state_of(body.state.given()) if body.state else Pending()
    state = given.evolve(id=given.id or new_id(), timestamp=given.timestamp or now)
    backend.record(Batch([changed_task_run(replace(run, state=state), [state])], (), is_foreign=True))
    return backend.read("task_runs", id=run_id)


def set_state(backend: Backend, keys: Keys, body: Any) -> Json:
    """Let the rules decide on a state of a task run."""
    began = utc_now()
    return of_decision(backend.propose_task_run_state(keys["id"], state_of(body.state.given()), body.force), began)


def read_states(backend: Backend, keys: Keys, _body: None) -> Json:
    """All states of a task run, oldest first."""
    return of_state(backend.task_run_states(keys["task_run_id"]))


def read_state(backend: Backend, keys: Keys, _body: None) -> Json:
    """The state that a task run is in; those before it are found by the run."""
    row = backend.read("task_runs", state_id=str(keys["id"]))
    return of_state(backend.task_run_states(UUID(row["id"])), keys["id"])


# -- log lines ---------------------------------------------------------------------------------------------------------


def create_logs(backend: Backend, keys: Keys, lines: list[Any]) -> None:
    """Store log lines; one that is too long is cut, with a mark."""
    backend.record(Batch((), [_row(line) for line in lines], keys["key"], is_foreign=True))


def _row(line: Any) -> LogRow:
    flow_run, task_run = (str(each) if each else None for each in (line.flow_run_id, line.task_run_id))
    return line.name, line.level, _cut(line.message), round(line.timestamp.timestamp() * 1e6), flow_run, task_run


def _cut(message: str) -> str:
    if len(message) <= LONGEST:
        return message
    return f"{message[:LONGEST]} … [cut here; the line has {len(message):,} characters]"
