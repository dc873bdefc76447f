"""Which slots become runs, what becomes of a run whose process is gone, and why a run is late."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.domain.errors import UsageError
from orchestration.domain.rules import RetryPolicy
from orchestration.domain.schedules import (
    MOST_PASSED,
    VANISHED,
    Cron,
    Interval,
    check_policy,
    left_behind,
    plan,
    slot_key,
)
from orchestration.domain.states import (
    Cancelling,
    Completed,
    Crashed,
    Paused,
    Pending,
    Running,
    Scheduled,
    State,
    Suspended,
)
from tests.support.records import flow_run

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = Cron("0 * * * *")


def test_a_schedule_has_three_runs_ahead_and_all_of_the_next_ten_minutes() -> None:
    assert plan(HOURLY, NOON, NOON) == (
        [NOON + HOUR * number for number in (1, 2, 3)], NOON + 3 * HOUR, NOON + 2 * HOUR,
    )  # fmt: skip
    assert len(plan(Cron("* * * * *"), NOON, NOON).slots) == 10
    assert len(plan(Interval(timedelta(seconds=1)), NOON, NOON).slots) == 100
    assert len(plan(HOURLY, NOON, NOON, 1).slots) == 1


def test_what_was_planned_is_not_planned_again() -> None:
    first = plan(HOURLY, NOON, NOON)
    later = plan(HOURLY, first.until, NOON + 2 * HOUR)
    assert later.slots == [NOON + HOUR * number for number in (4, 5)]


def test_a_schedule_without_further_slots_is_done_with() -> None:
    never = plan(Cron("0 0 30 2 *"), NOON, NOON)
    assert (never.slots, never.again) == ([], None)


def test_what_passed_while_nobody_looked_is_made_up_for_within_bounds() -> None:
    now = NOON + timedelta(minutes=30)
    assert [slot.hour for slot in plan(HOURLY, NOON - 5 * HOUR, now).slots] == [8, 9, 10, 11, 12, 13, 14, 15]
    found = plan(Interval(timedelta(seconds=1)), NOON - timedelta(days=1), NOON).slots
    assert len([slot for slot in found if slot <= NOON]) == MOST_PASSED
    assert found[MOST_PASSED - 1] == NOON


@pytest.mark.parametrize("fields", [{"catchup": "some"}, {"catchup": "all()"}, {"overlap": "maybe"}])
def test_a_policy_that_says_nothing_known_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="none, latest, all"):
        check_policy(fields)


@pytest.mark.parametrize(
    ("state", "message", "after"),
    [
        (None, "x", []),
        (Scheduled(NOON), "x", []),
        (Suspended(), "x", []),
        (Completed(), "x", []),
        (Cancelling(), "x", ["Cancelled"]),
        (Pending(), None, ["Scheduled"]),
        (Pending(), "x", ["Crashed", "AwaitingRetry"]),
        (Running(), "x", ["Crashed", "AwaitingRetry"]),
        (Paused(), None, ["Crashed", "AwaitingRetry"]),
        (Crashed(), "x", ["AwaitingRetry"]),
    ],
    ids=str,
)
def test_what_becomes_of_a_run_whose_process_is_gone(
    state: State | None, message: str | None, after: list[str]
) -> None:
    run = flow_run(state=state, policy=RetryPolicy(1, (60.0,)), run_count=1)
    found = left_behind(run, message, NOON, 0.0)
    assert [each.name for each in found] == after
    crashed = [each for each in found if each.is_crashed()]
    assert [each.message for each in crashed] == [message or VANISHED] * len(crashed)
    again = [each for each in left_behind(run.evolve(run_count=2), message, NOON, 0.0) if each.name == "AwaitingRetry"]
    assert again == []


def test_the_key_of_a_slot_is_the_same_in_every_zone() -> None:
    (slot,) = Cron("0 9 3 * *", "America/New_York").upcoming(NOON, 1)
    assert slot_key("d", "monthly", slot.astimezone()) == "d monthly 2024-06-03T13:00:00+00:00"
