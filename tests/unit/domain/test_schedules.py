"""Schedules: against an oracle that looks at every minute, and where clocks are changed.

Which slots become runs, what becomes of a run whose process is gone, and why a run is late.

Moments and spans as people write them.
"""

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from orchestration.domain.errors import UsageError
from orchestration.domain.rules import RetryPolicy
from orchestration.domain.schedules import (
    ANCHOR,
    MOST_PASSED,
    VANISHED,
    Cron,
    Interval,
    RRule,
    Schedule,
    check_policy,
    document_of,
    left_behind,
    moment_meant,
    plan,
    schedule_of,
    slot_key,
    span_meant,
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

MINUTE = timedelta(minutes=1)
ZONES = ("America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Havana", "UTC")
CHANGES = (
    datetime(2026, 3, 8, 7, tzinfo=UTC),  # New York goes ahead, Havana two hours before
    datetime(2026, 11, 1, 6, tzinfo=UTC),  # and back
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # London goes ahead
    datetime(2026, 10, 25, 1, tzinfo=UTC),  # and back
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe goes back, by half an hour
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),  # and ahead
)


@dataclass(frozen=True)
class Fields:
    """Which minutes, hours, days, months and weekdays (0 is Sunday) a cron expression means; ``None`` means all."""

    minutes: tuple[int, ...] | None
    hours: tuple[int, ...] | None
    days: tuple[int, ...] | None
    months: tuple[int, ...] | None
    weekdays: tuple[int, ...] | None

    def expression(self) -> str:
        each = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        return " ".join("*" if values is None else ",".join(map(str, values)) for values in each)

    def means(self, wall: datetime, day_or: bool) -> bool:
        day, weekday = wall.day in (self.days or ()), wall.isoweekday() % 7 in (self.weekdays or ())
        if self.days is None or self.weekdays is None or not day_or:
            right_day = (self.days is None or day) and (self.weekdays is None or weekday)
        else:
            right_day = day or weekday
        return right_day and all(
            values is None or value in values
            for values, value in ((self.minutes, wall.minute), (self.hours, wall.hour), (self.months, wall.month))
        )


def some(low: int, high: int) -> st.SearchStrategy[tuple[int, ...] | None]:
    return st.none() | st.sets(st.integers(low, high), min_size=1, max_size=4).map(lambda found: tuple(sorted(found)))


def oracle(wanted: Fields, zone: ZoneInfo, start: datetime, end: datetime, day_or: bool) -> list[datetime]:
    """Every minute between two moments at which the expression fires, by the rule of the module's docstring."""
    hourly = wanted.hours is None or len(wanted.hours) == 24
    fires = set()
    moment = start + MINUTE
    while moment < end:
        wall = moment.astimezone(zone)
        if wanted.means(wall, day_or) and (wall.fold == 0 or hourly):
            fires.add(moment)
        moment += MINUTE
    for wall in minutes(start.replace(tzinfo=None) - timedelta(days=1), end.replace(tzinfo=None) + timedelta(days=1)):
        later = wall.replace(tzinfo=zone).astimezone(UTC)
        skipped = later.astimezone(zone).replace(tzinfo=None) != wall
        if skipped and wanted.means(wall, day_or) and start < later < end:
            fires.add(later)
    return sorted(fires)


def minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += MINUTE


def until(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    found = []
    for slot in schedule.slots(start):
        if slot >= end:
            break
        found.append(slot)
    return found


@given(
    wanted=st.builds(Fields, some(0, 59), some(0, 5), some(1, 31), st.none(), some(0, 6)),
    zone=st.sampled_from(ZONES),
    change=st.sampled_from(CHANGES),
    before=st.integers(0, 8 * 60),
    day_or=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_cron_fires_as_the_oracle_says(wanted: Fields, zone: str, change: datetime, before: int, day_or: bool) -> None:
    start, end = change - before * MINUTE, change + timedelta(hours=9)
    slots = until(Cron(wanted.expression(), zone, day_or), start, end)
    assert slots == oracle(wanted, ZoneInfo(zone), start, end, day_or)


@pytest.mark.reliability
@pytest.mark.parametrize("zone", ZONES)
def test_cron_fires_for_five_years_as_the_oracle_says(zone: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An expression for each zone, at 30 times of three days within the years; others at each call."""
    dice = random.Random()
    span = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
    drawn = [tuple(sorted(dice.sample(range(low, high + 1), 3))) if dice.random() < 0.4 else None for low, high in span]
    wanted = Fields(tuple(sorted(dice.sample(range(60), 2))), *drawn[1:])
    schedule, slots = Cron(wanted.expression(), zone), 0
    for _ in range(30):
        start = datetime(2024, 1, 1, tzinfo=UTC) + dice.randrange(5 * 365 * 24 * 60) * MINUTE
        found = until(schedule, start, start + timedelta(days=3))
        assert found == oracle(wanted, ZoneInfo(zone), start, start + timedelta(days=3), True)
        slots += len(found)
    with capsys.disabled():
        sys.stdout.write(json.dumps({"zone": zone, "cron": wanted.expression(), "slots": slots}) + "\n")


@given(zone=st.sampled_from(ZONES), change=st.sampled_from(CHANGES), hours=st.integers(24, 80), back=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_an_interval_of_a_day_or_more_keeps_its_time_of_day(zone: str, change: datetime, hours: int, back: int) -> None:
    anchor, there = datetime(2026, 1, 1, 2, 30), ZoneInfo(zone)
    schedule = Interval(timedelta(hours=hours), anchor, zone)
    walls = [anchor + number * timedelta(hours=hours) for number in range(600)]
    start = change - timedelta(hours=back)
    expected = [at for at in (wall.replace(tzinfo=there).astimezone(UTC) for wall in walls) if at > start]
    assert schedule.upcoming(start, 5) == expected[:5]


@given(seconds=st.integers(1, 86399), zone=st.sampled_from(ZONES), change=st.sampled_from(CHANGES))
def test_a_shorter_interval_counts_real_time(seconds: int, zone: str, change: datetime) -> None:
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    first = anchor + ((change - anchor) // timedelta(seconds=seconds) + 1) * timedelta(seconds=seconds)
    found = Interval(timedelta(seconds=seconds), anchor, zone).upcoming(change, 3)
    assert found == [first + number * timedelta(seconds=seconds) for number in range(3)]


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        (Cron("30 2 * * *", "America/New_York"), "2026-03-07T12:00Z", ["2026-03-08T07:30Z", "2026-03-09T06:30Z"]),
        (Cron("30 1 * * *", "America/New_York"), "2026-11-01T00:00Z", ["2026-11-01T05:30Z", "2026-11-02T06:30Z"]),
        (Cron("0 * * * *", "America/New_York"), "2026-11-01T04:30Z", ["2026-11-01T05:00Z", "2026-11-01T06:00Z"]),
        (Cron("0 9 3 * *", "America/New_York"), "2026-03-01T00:00Z", ["2026-03-03T14:00Z", "2026-04-03T13:00Z"]),
        (Cron("0 9 30 2 *"), "2026-03-01T00:00Z", []),
        (Cron("0 9 * * * 30"), "2026-03-01T00:00Z", ["2026-03-01T09:00:30Z", "2026-03-02T09:00:30Z"]),
        (RRule("FREQ=WEEKLY;BYDAY=MO;BYHOUR=9"), "2026-03-01T00:00Z", ["2026-03-02T09:00Z", "2026-03-09T09:00Z"]),
        (RRule("FREQ=DAILY;COUNT=2"), "2020-01-01T00:00Z", ["2020-01-02T00:00Z"]),
        (RRule("FREQ=HOURLY;COUNT=3"), "2020-01-01T00:00Z", ["2020-01-01T01:00Z", "2020-01-01T02:00Z"]),
        (RRule("FREQ=MINUTELY;INTERVAL=7"), "2026-11-01T00:00Z", ["2026-11-01T00:01Z", "2026-11-01T00:08Z"]),
        (RRule("FREQ=HOURLY", "Europe/London"), "2026-10-24T23:30Z", ["2026-10-25T00:00Z", "2026-10-25T01:00Z"]),
        (
            RRule("DTSTART;TZID=America/New_York:20200101T023000\nRRULE:FREQ=DAILY\nEXDATE:20260309T023000", ZONES[0]),
            "2026-03-08T00:00Z",
            ["2026-03-08T07:30Z", "2026-03-10T06:30Z"],
        ),
        (RRule("RDATE:20260308T090000"), "2026-03-01T00:00Z", ["2026-03-08T09:00Z"]),
    ],
)
def test_known_slots(schedule: Schedule, after: str, expected: list[str]) -> None:
    assert schedule.upcoming(datetime.fromisoformat(after), 2) == [datetime.fromisoformat(each) for each in expected]


def test_times_that_were_skipped_never_come_twice() -> None:
    slots = Cron("0,30 2,3 * * *", "America/New_York").upcoming(datetime(2026, 3, 8, tzinfo=UTC), 3)
    assert [slot.strftime("%d %H:%M") for slot in slots] == ["08 07:00", "08 07:30", "09 06:00"]


def test_there_are_no_slots_beyond_the_range_of_dates() -> None:
    assert Cron("0 9 * * *").upcoming(datetime(9999, 12, 31, tzinfo=UTC), 3) == []
    centuries = {"interval": 3.2e9, "anchor_date": "9000-01-01T00:00:00"}
    assert schedule_of(centuries).upcoming(ANCHOR, 9999)[-1].year > 9000


@pytest.mark.parametrize(
    "document",
    [
        {"cron": "0 9 3 * *", "timezone": "America/New_York", "day_or": False},
        {"interval": 5400.5, "anchor_date": "2026-01-01T00:00:00Z", "timezone": "UTC"},
        {"rrule": "FREQ=DAILY", "timezone": "Europe/London"},
    ],
)
def test_a_schedule_is_its_document(document: dict[str, object]) -> None:
    assert document_of(schedule_of(document)) == document


def test_what_is_left_out_is_what_prefect_takes() -> None:
    assert document_of(schedule_of({"cron": "@daily", "timezone": None})) == {
        "cron": "@daily",
        "timezone": None,
        "day_or": True,
    }
    assert document_of(schedule_of({"interval": 60}))["anchor_date"] == "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"cron": "nope"}, "'nope' is not a cron expression"),
        ({"cron": "R * * * *"}, "random or hashed"),
        ({"cron": "0 9 * * *", "timezone": "Nowhere/X"}, "no time zone 'Nowhere/X'"),
        ({"cron": "0 9 * * *", "timezone": "../passwd"}, "no time zone"),
        ({"interval": 0}, "must be positive"),
        ({"interval": 1e300}, "below 300 years"),
        ({"interval": float("nan")}, "below 300 years"),
        ({"interval": 60, "timezone": "Mars"}, "no time zone 'Mars'"),
        ({"rrule": "nonsense"}, "is not an RRULE"),
        ({"rrule": "FREQ=DAILY;INTERVAL=0"}, "an interval of 0"),
        ({"rrule": "FREQ=DAILY;" * 1000}, "more than 6500 characters"),
        ({}, "needs one of"),
    ],
)
def test_what_cannot_be_a_schedule_is_refused(document: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        schedule_of(document)


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


NOW = datetime(2024, 5, 17, 8, 30, 12, tzinfo=timezone(timedelta(hours=-4)))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("in 5 minutes", 300), ("1 hour", 3600), ("90s", 90), ("1h 30m", 5400), ("in 2 days and 3 hours", 183_600),
        ("0.5 h", 1800), ("In 1 WEEK", 604_800),
    ],
)  # fmt: skip
def test_spans(text: str, seconds: float) -> None:
    assert span_meant(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "soon", "5", "5 minutes ago", "in", "minutes"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no span of time"):
        span_meant(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("at 5:30pm", datetime(2024, 5, 17, 21, 30, tzinfo=UTC)),
        ("09:00", datetime(2024, 5, 17, 13, 0, tzinfo=UTC)),
        ("2024-06-03 09:00", datetime(2024, 6, 3, 13, 0, tzinfo=UTC)),
        ("2024-06-03T09:00:00Z", datetime(2024, 6, 3, 9, 0, tzinfo=UTC)),
        ("2024-06-03", datetime(2024, 6, 3, 4, 0, tzinfo=UTC)),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    assert moment_meant(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2024-13-01"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no moment"):
        moment_meant(text, NOW)


def test_a_known_policy_is_let_through() -> None:
    for known in ({}, {"catchup": "all(3)", "overlap": "queue"}):
        check_policy(known)
