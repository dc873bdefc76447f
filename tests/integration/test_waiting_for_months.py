"""The monthly job on a worker, when the month of its slot is not in the bucket: it waits, a day at a time, or fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from blocks.mail import EmailServerCredentials
from orchestration.domain.states import Scheduled
from orchestration.sdk.context import close_session, current_session
from pipelines.duration_prediction.config import months_from_slot
from pipelines.tlc import Month
from tests.support.s3_server import make_bucket, s3_server
from tests.support.serving import ROOT
from tests.support.smtp_server import smtp_server
from tests.support.working import Workplace

SLOT = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
PLAN = months_from_slot(SLOT, 1, 2)
JUDGED = PLAN.validate


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A pool, with the deployment of the job still to be made; its bucket is filled by the tests."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    session = current_session()
    with smtp_server() as mails:
        EmailServerCredentials(smtp_server="127.0.0.1", smtp_type="INSECURE", smtp_port=mails.port).save("mailbox")
        place = Workplace(session.backend, tmp_path, session.settings.home)
        yield place
        place.close()
    close_session()


def _scheduled(place: Workplace, months: list[Month], **training: Any) -> UUID:
    """A run of yesterday's slot that a worker has lived once, with a bucket that holds these months."""
    parameters = {"s3_block": "bucket", "mail_block": "mailbox", "mail_to": "you@localhost", "training": training}
    flow = place.backend.create("flows", {"name": "duration-prediction"})
    deployment = place.backend.create("deployments", {
        "name": "monthly", "flow_id": flow["id"], "path": str(ROOT), "work_pool_name": "trips",
        "entrypoint": "pipelines/duration_prediction/flow.py:duration_prediction", "parameters": parameters,
    })  # fmt: skip
    document = {"type": "SCHEDULED", "state_details": {"scheduled_time": SLOT.isoformat()}}
    run_id = place.ask(deployment, state=document)
    with s3_server() as url:
        make_bucket(url, {f"data/{month.file_name}": b"a month" for month in months}).save("bucket")
        _live(place)
    return run_id


def _live(place: Workplace) -> None:
    worker = place.worker(once=True)
    place.work(worker, worker.ended.is_set)


def test_a_run_whose_month_is_not_published_waits_without_a_process_and_keeps_its_slot(place: Workplace) -> None:
    run_id = _scheduled(place, [JUDGED.previous()])
    for _ in range(2):
        run = place.run(run_id)
        assert run.state is not None
        assert (run.state_name, run.state.details.scheduled_time is not None) == ("AwaitingRetry", True)
        assert f"has no data/green_tripdata_{JUDGED}.parquet" in str(run.state.message)
        due = run.state.details.scheduled_time
        assert due is not None
        assert timedelta(hours=23) < due - datetime.now(UTC) <= timedelta(days=1)
        place.backend.propose_flow_run_state(run_id, Scheduled(datetime.now(UTC), name="AwaitingRetry"), force=True)
        with s3_server() as url:
            make_bucket(url, {f"data/{JUDGED.previous().file_name}": b"a month"}).save("bucket", overwrite=True)
            _live(place)
    assert place.states(run_id).count("Retrying") == 2


def test_a_month_that_does_not_come_in_time_fails_the_run(place: Workplace) -> None:
    run_id = _scheduled(place, [JUDGED.previous()], days_to_wait=1)
    state = place.run(run_id).state
    assert state is not None
    assert state.name == "Failed"
    assert f"until 1 days after {SLOT:%Y-%m-%d}; see days_to_wait" in str(state.message)


def test_a_month_that_was_left_out_fails_the_run_at_once_and_is_named(place: Workplace) -> None:
    run_id = _scheduled(place, [JUDGED.previous(), JUDGED.next()])
    state = place.run(run_id).state
    assert state is not None
    assert state.name == "Failed"
    assert f"has no data/green_tripdata_{JUDGED}.parquet, but months after it" in str(state.message)
