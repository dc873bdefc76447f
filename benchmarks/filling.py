"""A store as it is after years of work: 100,000 flow runs, 1,000,000 task runs and 1,000,000 log lines."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from orchestration.backend.local import LocalBackend
from orchestration.domain.schemas.runs import FlowRun, TaskRun, TaskRunChange, uuid7
from orchestration.domain.states import Completed, Crashed, Failed, Running, Scheduled, State
from orchestration.persistence import runs
from orchestration.persistence.documents import micros

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FLOWS = ("duration-prediction", "predict-durations", "ingest-zones", "retention", "smoke")
LEVELS = (20, 20, 20, 20, 20, 20, 30, 40)
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is: every flow run has as many task runs and lines, but for the last, which has the rest."""

    flow_runs: int = 100_000
    task_runs: int = 1_000_000
    logs: int = 1_000_000
    big_run_tasks: int = 5_000
    big_run_logs: int = 20_000


def fill(backend: LocalBackend, sizes: Sizes, dice: random.Random, now: datetime = NOW) -> UUID:
    """Fill a store with a run a minute up to ``now``; the id of the last, which has more of all than all others."""
    ids = [_id(dice, now - timedelta(minutes=sizes.flow_runs - place)) for place in range(sizes.flow_runs)]
    big = ids[-1]
    database = backend._db
    for some in _chunks(ids):
        with database.transaction() as tx:
            for run_id in some:
                run = _flow_run(run_id, dice)
                flow_id = runs.flow_id_of(tx, run.flow_name, run.flow_id, run.created)
                stored = run.evolve(flow_id=flow_id, state=None)
                runs.insert_flow_run(tx, stored)
                runs.write_state(tx, runs.after(stored, run.state or Running(), run.created), None)
    for some in _chunks(list(_owners(ids, big, sizes.task_runs, sizes.big_run_tasks))):
        with database.transaction() as tx:
            runs.write_task_runs(tx, [_task_run(run_id, dice) for run_id in some], None)
    for some in _chunks(list(_owners(ids, big, sizes.logs, sizes.big_run_logs))):
        with database.transaction() as tx:
            runs.write_logs(tx, [_line(run_id, place, dice) for place, run_id in enumerate(some)])
    return big


def _owners(ids: Sequence[UUID], big: UUID, number: int, of_big: int) -> Iterator[UUID]:
    """The flow run of each of ``number`` parts."""
    yield from (ids[place % len(ids)] for place in range(number - of_big))
    yield from (big for _ in range(of_big))


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _id(dice: random.Random, born: datetime) -> UUID:
    return uuid7(int(born.timestamp() * 1000), dice.getrandbits(74))


def _born(run_id: UUID) -> datetime:
    return datetime.fromtimestamp((run_id.int >> 80) / 1000, UTC)


def _state(dice: random.Random, born: datetime) -> State:
    make = dice.choices((Completed, Failed, Crashed, Scheduled), (90, 7, 1, 2))[0]
    state = Scheduled(born) if make is Scheduled else make()
    return state.evolve(id=_id(dice, born), timestamp=born)


def _flow_run(run_id: UUID, dice: random.Random) -> FlowRun:
    born = _born(run_id)
    return FlowRun(
        id=run_id,
        flow_id=_id(dice, born),
        flow_name=dice.choice(FLOWS),
        name=f"run-{dice.randrange(10_000)}",
        created=born,
        state=_state(dice, born),
        parameters={"train_months": ["2021-01"], "validate_month": "2021-02"},
        tags=("monthly",) if dice.random() < 0.5 else (),
        expected_start_time=born,
        start_time=born,
        end_time=born + timedelta(seconds=30),
        run_count=1,
    )


def _task_run(flow_run_id: UUID, dice: random.Random) -> TaskRunChange:
    born = _born(flow_run_id)
    record = TaskRun(
        id=_id(dice, born),
        flow_run_id=flow_run_id,
        name=f"fit-{dice.randrange(100)}",
        task_key="pipelines.fit",
        dynamic_key="0",
        created=born,
        start_time=born,
        end_time=born + timedelta(seconds=2),
        run_count=1,
    )
    states = [Running().evolve(id=_id(dice, born), timestamp=born), _state(dice, born + timedelta(seconds=2))]
    return TaskRunChange(record, states, True)


def _line(flow_run_id: UUID, place: int, dice: random.Random) -> tuple[str, int, str, int, str | None, str | None]:
    message = f"Kept {dice.randrange(100_000):,} of 76,518 trips; the month looks {dice.choice(('fine', 'drifted'))}."
    at = micros(_born(flow_run_id)) + place
    return ("orchestration.flow_runs", dice.choice(LEVELS), message, at, str(flow_run_id), None)
