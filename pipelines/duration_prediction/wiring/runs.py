"""What the flows ask the store of runs, and this machine."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from orchestration import AwaitingRetry, State, get_client, runtime
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.settings import read_settings
from pipelines.duration_prediction.config import METRICS_KEY, MonthPlan, TrainingConfig, months_from_slot, plan_months
from pipelines.duration_prediction.failure import LAST_LINES
from pipelines.errors import MissingMonthError


def home() -> Path:
    """The folder for all that outlives a run, whatever the current one is."""
    return read_settings(os.environ, Path.home()).home


def months_of_run(train: Sequence[str] | None, validate: str | None, training: TrainingConfig) -> MonthPlan:
    """The months that are named; where none is, those that the slot of a deployment's run decides, if it is one.

    Raises MonthError for months that make no sense.
    """
    slot = _slot(train, validate)
    if slot is None:
        return plan_months(train, validate)
    return months_from_slot(slot, training.n_months, training.publication_lag)


def wait_a_day(
    absent: MissingMonthError, train: Sequence[str] | None, validate: str | None, training: TrainingConfig
) -> State:
    """The state in which a run waits for a month that its slot decided on, and that is not published yet.

    Its process ends meanwhile, and another one starts a day later. Raises the error that tells of the month, if it was
    waited for as long as the settings say, or if somebody named it, who had better hear of it.
    """
    slot, again = _slot(train, validate), datetime.now(UTC) + timedelta(days=1)
    if slot is None:
        raise absent
    if again > slot + timedelta(days=training.days_to_wait):
        waited = f"It was waited for until {training.days_to_wait} days after {slot:%Y-%m-%d}; see days_to_wait."
        raise type(absent)(f"{absent} {waited}") from absent
    return AwaitingRetry(again, f"{absent} The run looks again at {again:%Y-%m-%d %H:%M} UTC.")


def _slot(train: Sequence[str] | None, validate: str | None) -> datetime | None:
    """The slot that decides on the months of this run, if nobody named any."""
    named = train or validate or not runtime.deployment.id
    return None if named else runtime.flow_run.scheduled_start_time


def last_log_lines(flow_run_id: UUID) -> list[str]:
    """The end of what a flow run and its tasks logged, oldest line first."""
    wanted = {"flow_run_id": {"any_": [str(flow_run_id)]}}
    with get_client(sync_client=True) as client:
        newest_first = client.read_logs(wanted, limit=LAST_LINES, sort="TIMESTAMP_DESC")
    return [f"{log.timestamp.astimezone():%H:%M:%S} {log.message}" for log in reversed(newest_first)]


def earlier_metrics() -> list[Any]:
    """The data of the metrics artifacts that runs have published, newest first."""
    with get_client(sync_client=True) as client:
        return [artifact.data for artifact in client.read_artifacts({"key": {"any_": [METRICS_KEY]}})]


def is_over(flow_run_id: str) -> bool:
    """Whether the flow run with this id is one of ours and has ended."""
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(UUID(flow_run_id)).state
        except (ObjectNotFound, ValueError):
            return False
    return state is not None and state.is_final()


def run_facts() -> dict[str, str]:
    """The current flow run, for a report: its name, and the address of its page where there is a server."""
    link = runtime.flow_run.ui_url
    return {"Flow run": runtime.flow_run.name or "", **({"Run page": link} if link else {})}
