"""Schedules: when runs are due, by cron expression, by interval or by RRULE, and which slots become runs.

A schedule speaks of times of day on the clocks of its zone, and clocks are changed. What then holds for all three:

- A time that the clocks skip fires as much later as they skip: 02:30 becomes 03:30 where they go from 02:00 to 03:00.
- A time that comes twice fires at its first pass.
- Except where the schedule fires in every hour (``0 * * * *``, ``FREQ=MINUTELY``): it fires at both passes.
- An interval shorter than a day counts real time; a longer one keeps its time of day on the clocks.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta, tzinfo
from heapq import heappop, heappush
from itertools import count, islice, takewhile
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter
from dateutil import parser
from dateutil.rrule import rrulestr

from orchestration.domain import states
from orchestration.domain.errors import UsageError
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.schemas.wire import Document, moment_of, moment_text

DAY = timedelta(days=1)
# Where the counting starts of a schedule that does not say it: the same always, so that no slot ever moves.
ANCHOR = datetime(2020, 1, 1, tzinfo=UTC)

# Characters, and seconds; dates have no room for much more.
LONGEST_RRULE, LONGEST_INTERVAL = 6500, 9.4e9
_UNITS = {"HOURLY": timedelta(hours=1), "MINUTELY": timedelta(minutes=1), "SECONDLY": timedelta(seconds=1)}


class Schedule(ABC):
    """When runs are due; ``timezone`` is an IANA name, ``None`` meaning UTC."""

    timezone: str | None

    def slots(self, after: datetime) -> Iterator[datetime]:
        """The times after a moment, in UTC, ascending, each once; none beyond the range of dates."""
        zone, last = self._zone(), after
        with suppress(OverflowError):
            offsets = [_offset(after + day, zone) for day in (-DAY, timedelta(0), DAY)]
            changed = max(offsets) - min(offsets)  # by so much the clocks have been, or are about to be, changed
            for slot in _instants(self._walls(_wall(after, zone) - changed), zone, self._is_hourly()):
                if slot > last:
                    yield (last := slot)

    def upcoming(self, after: datetime, limit: int) -> list[datetime]:
        """The next ``limit`` times after a moment, in UTC."""
        return list(islice(self.slots(after), limit))

    def _zone(self) -> tzinfo:
        return _zone_of(self.timezone)

    @abstractmethod
    def _walls(self, start: datetime) -> Iterator[datetime]:
        """What the clocks show at each slot, not before ``start``; naive and ascending."""

    def _is_hourly(self) -> bool:
        """Whether a time that comes twice is meant both times."""
        return False


@dataclass(frozen=True)
class Cron(Schedule):
    """A cron expression of five fields, or six with seconds last; ``day_or`` as cron joins the two fields of days."""

    cron: str
    timezone: str | None = None
    day_or: bool = True

    def __post_init__(self) -> None:
        if re.search(r"(?<![a-z])[hr](?![a-z])", self.cron, re.IGNORECASE):
            raise UsageError(f"The cron expression {self.cron!r} is random or hashed; name the times.")
        if not croniter.is_valid(self.cron):
            raise UsageError(f"{self.cron!r} is not a cron expression; an example is '0 9 3 * *'.")
        self._zone()

    def _walls(self, start: datetime) -> Iterator[datetime]:
        clock = croniter(self.cron, start.replace(microsecond=0) - timedelta(seconds=1), day_or=self.day_or)
        with suppress(CroniterBadDateError):  # such as 30 February
            yield from clock.all_next(datetime)

    def _is_hourly(self) -> bool:
        return bool(croniter.expand(self.cron)[0][1] == ["*"])


@dataclass(frozen=True)
class Interval(Schedule):
    """Every ``interval``, counted from ``anchor_date``; an anchor without a zone is on the clocks of the schedule's."""

    interval: timedelta
    anchor_date: datetime = ANCHOR
    timezone: str | None = None

    def __post_init__(self) -> None:
        _interval_of(self.interval.total_seconds())
        _zone_of(self.timezone)

    def _zone(self) -> tzinfo:
        return _zone_of(self.timezone) if self.interval >= DAY else UTC

    def _walls(self, start: datetime) -> Iterator[datetime]:
        known = self.anchor_date.tzinfo is not None
        anchor = _wall(self.anchor_date if known else self.anchor_date.replace(tzinfo=self._zone()), self._zone())
        first = anchor - (anchor - start) // self.interval * self.interval
        return (first + self.interval * number for number in count())


@dataclass(frozen=True)
class RRule(Schedule):
    """A rule of RFC 5545, or a set of them; its times are on the clocks of ``timezone``, whatever zone they name."""

    rrule: str
    timezone: str | None = None

    def __post_init__(self) -> None:
        self._zone()
        try:
            self._rule()
        except (ValueError, TypeError, AttributeError) as error:
            raise UsageError(f"{self.rrule[:200]!r} is not an RRULE: {error}.") from None

    def _rule(self) -> Any:
        if len(self.rrule) > LONGEST_RRULE or re.search(r"INTERVAL=0+\b", self.rrule):
            raise ValueError(f"it has more than {LONGEST_RRULE} characters, or an interval of 0")
        return rrulestr(re.sub(r";TZID=[^:;]+", "", self.rrule), dtstart=ANCHOR.replace(tzinfo=None), ignoretz=True)

    def _walls(self, start: datetime) -> Iterator[datetime]:
        rule, unit = self._rule(), self._unit()
        if unit and "COUNT" not in self.rrule and hasattr(rule, "replace"):
            # The library walks from the first slot on; minutes since years ago would take it seconds.
            step = unit * rule._interval
            rule = rule.replace(dtstart=rule._dtstart + max(0, (start - rule._dtstart) // step) * step)
        return iter(rule.xafter(start, inc=True))

    def _is_hourly(self) -> bool:
        return self._unit() is not None

    def _unit(self) -> timedelta | None:
        frequency = re.search(r"FREQ=(\w+)", self.rrule)
        return _UNITS.get(frequency[1].upper()) if frequency else None


def slot_key(deployment_id: str, slug: str, slot: datetime) -> str:
    """By what the run of a slot is known, so that whoever makes it, and how often, makes it once."""
    return f"{deployment_id} {slug} {slot.astimezone(UTC).isoformat()}"


def schedule_of(document: Mapping[str, Any]) -> Schedule:
    """The schedule of its document: the one of ``cron``, ``interval`` (seconds) and ``rrule`` that it has.

    Raises:
        UsageError: it has none of them, or no schedule can be made of what it says.
    """
    given = {name: value for name, value in document.items() if value is not None}
    kind = next((kind for kind in (Cron, Interval, RRule) if fields(kind)[0].name in given), None)
    if kind is None:
        raise UsageError(f"A schedule needs one of 'cron', 'interval' and 'rrule'; this one has {sorted(given)}.")
    known = {field.name: given[field.name] for field in fields(kind) if field.name in given}
    if kind is Interval:
        known["interval"] = _interval_of(float(known["interval"]))
        known["anchor_date"] = moment_of(known.get("anchor_date")) or ANCHOR
    return kind(**known)


def _interval_of(seconds: float) -> timedelta:
    if not 0 < seconds <= LONGEST_INTERVAL:
        raise UsageError(f"The interval of a schedule must be positive, and below 300 years; it is {seconds} seconds.")
    return timedelta(seconds=seconds)


def document_of(schedule: Schedule) -> Document:
    """The document of a schedule, as the REST interface has it."""
    values = {field.name: getattr(schedule, field.name) for field in fields(schedule)}  # type: ignore[arg-type]
    if isinstance(schedule, Interval):
        values["interval"] = schedule.interval.total_seconds()
        values["anchor_date"] = moment_text(schedule.anchor_date)
    return values


def _zone_of(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):  # unknown, or no name at all, such as a path
        raise UsageError(f"There is no time zone {name!r}; an example is 'America/New_York'.") from None


def _wall(moment: datetime, zone: tzinfo) -> datetime:
    """What the clocks of a zone show."""
    return moment.astimezone(zone).replace(tzinfo=None)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return _wall(moment, zone) - _wall(moment, UTC)


def _instants(walls: Iterator[datetime], zone: tzinfo, both: bool) -> Iterator[datetime]:
    """The moments in UTC at which the clocks show these times, in order."""
    waiting: list[datetime] = []
    for wall in walls:
        # In a gap the first is the later one, and what comes on the clocks after it may come before it in fact.
        first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        while waiting and waiting[0] <= min(first, second):
            yield heappop(waiting)
        heappush(waiting, first)
        if both and second > first:
            heappush(waiting, second)
    while waiting:
        yield heappop(waiting)


# -- planning ----------------------------------------------------------------------------------------------------------

# How long a claim lasts that its worker does not renew.
LEASE_SECONDS = 15.0
# After so much time a run that nobody has started is late.
GRACE = timedelta(seconds=15)
# How many runs a schedule has ahead at least, those of which time it has in any case, and how many at most.
AHEAD, SOON, MOST = 3, timedelta(minutes=10), 100
# Slots that a schedule makes up for at most, the latest ones.
MOST_PASSED = 5_000
VANISHED = "The worker of this run was not heard of any more."


class Plan(NamedTuple):
    """Slots that become runs, up to when all are known then, and when to plan again."""

    slots: list[datetime]
    until: datetime
    again: datetime | None


def check_policy(schedule: Mapping[str, Any]) -> None:
    """Refuse what a schedule says of slots that did not start in time, if it says nothing known."""
    catchup, overlap = schedule.get("catchup") or "all", schedule.get("overlap") or "allow"
    if not re.fullmatch(r"none|latest|all(\(\d{1,9}\))?", catchup) or overlap not in ("allow", "skip", "queue"):
        known = "catchup is none, latest, all or all(n), and overlap allow, skip or queue"
        raise UsageError(f"A schedule's {known}; this one has {catchup!r} and {overlap!r}.")


def plan(schedule: Schedule, since: datetime, now: datetime, most: int | None = None) -> Plan:
    """What is to be made of the slots after ``since``, of which those before ``now`` passed while nobody looked."""
    passed = takewhile(lambda slot: slot <= now, schedule.slots(since) if since < now else ())
    coming = enumerate(islice(schedule.slots(now), min(most or MOST, MOST)))
    ahead = [slot for _, slot in takewhile(lambda each: each[0] < AHEAD or each[1] <= now + SOON, coming)]
    slots = [*deque(passed, MOST_PASSED), *(slot for slot in ahead if slot > since)]
    return Plan(slots, max([now, since, *ahead]), ahead[len(ahead) // 2] if ahead else None)


def left_behind(run: FlowRun, message: str | None, now: datetime, unit_random: float) -> list[states.State]:
    """The states of a run whose process is gone, one after the other.

    A run that was being cancelled is; one that had not begun goes back, unless ``message`` says what was wrong with
    it; one that was running crashed, and starts again where its flow's retries allow that.
    """
    state = run.state
    if state is None or state.is_scheduled() or state.details.pause_reschedule:
        return []
    if state.is_cancelling():
        return [states.Cancelled("The run was cancelled.", timestamp=now)]
    if state.is_pending() and message is None:
        return [states.Scheduled(run.expected_start_time or now, f"{VANISHED} Another one may start it.")]
    found = [] if state.is_final() else [states.Crashed(message or VANISHED, timestamp=now)]
    if (found or state.is_crashed()) and run.policy.allows(run.run_count):
        delay = timedelta(seconds=run.policy.delay(run.run_count, unit_random))
        found.append(states.AwaitingRetry(now + delay, "Retrying after a crash."))
    return found


# -- moments and spans as people write them ----------------------------------------------------------------------------

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d|weeks?|w)\b", re.IGNORECASE)


def span_meant(text: str) -> timedelta:
    """How long a text such as ``in 5 minutes`` or ``1h 30m`` says.

    Raises:
        UsageError: it says no span.
    """
    bare = re.sub(r"^\s*in\b", "", text, flags=re.IGNORECASE)
    parts = _SPAN.findall(bare)
    if not parts or re.sub(r",|\band\b|\s", "", _SPAN.sub("", bare)):
        raise UsageError(f"{text!r} is no span of time; write it like `5 minutes` or `1h 30m`.")
    return timedelta(seconds=sum(float(number) * _SECONDS[unit[0].lower()] for number, unit in parts))


def moment_meant(text: str, now: datetime) -> datetime:
    """The moment, in UTC, that a text such as ``at 5:30pm`` or ``2024-03-03 09:00`` says.

    Args:
        now: gives the day where the text gives none, and the zone where it has none.

    Raises:
        UsageError: it says no moment.
    """
    try:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        meant: datetime = parser.parse(re.sub(r"^\s*at\b", "", text, flags=re.IGNORECASE), default=midnight)
        return meant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no moment; write it like `17:30` or `2024-03-03 09:00`.") from None
