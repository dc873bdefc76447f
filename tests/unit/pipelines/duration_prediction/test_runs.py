"""What the flows ask of the run that they are in."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from orchestration.backend.clock import new_id
from orchestration.domain.states import Scheduled
from orchestration.sdk.context import FLOW_RUN, FlowRunContext, ResultOptions, close_session, current_session
from orchestration.sdk.runners import ThreadPoolTaskRunner
from pipelines.duration_prediction.config import MonthPlan, TrainingConfig, plan_months
from pipelines.duration_prediction.wiring.runs import months_of_run
from pipelines.tlc import Month
from tests.support.records import flow_run as made_up_run

SLOT = datetime(2021, 4, 3, 13, tzinfo=UTC)
TRAINING = TrainingConfig(n_months=2)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_session()


def _planned(train: list[str] | None, validate: str | None, is_deployed: bool) -> MonthPlan:
    """The months of a run that was due on 3 April 2021."""
    session = current_session()
    deployment_id = new_id() if is_deployed else None
    run = session.backend.create_flow_run(
        made_up_run(deployment_id=deployment_id, expected_start_time=SLOT, state=Scheduled(SLOT))
    )
    token = FLOW_RUN.set(FlowRunContext(run, session, {}, ThreadPoolTaskRunner(1), ResultOptions(False)))
    try:
        return months_of_run(train, validate, TRAINING)
    finally:
        FLOW_RUN.reset(token)


def test_the_slot_of_a_deployments_run_decides_on_its_months() -> None:
    assert _planned(None, None, is_deployed=True) == MonthPlan((Month(2020, 12), Month(2021, 1)), Month(2021, 2))


def test_months_that_are_named_win_over_the_slot() -> None:
    assert _planned(["2021-01"], None, is_deployed=True) == MonthPlan((Month(2021, 1),), Month(2021, 2))
    assert _planned(None, "2022-03", is_deployed=True) == MonthPlan((Month(2022, 2),), Month(2022, 3))


def test_a_run_by_hand_has_the_months_of_the_tutorial() -> None:
    assert _planned(None, None, is_deployed=False) == plan_months(None, None)
