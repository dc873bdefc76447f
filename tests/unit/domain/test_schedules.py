"""Schedules: against an oracle that looks at every minute, and where clocks are changed."""

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from orchestration.domain.errors import UsageError
from orchestration.domain.schedules import ANCHOR, Cron, Interval, RRule, Schedule, document_of, schedule_of

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
