"""Slots are counted from leases that have not run out; time is an argument."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from orchestration.backend.catalog import LocalCatalog
from orchestration.backend.clock import new_id
from orchestration.domain.settings import Settings
from orchestration.persistence.documents import micros
from orchestration.persistence.sqlite import SqliteDatabase
from tests.support.properties import quick

START = datetime(2023, 11, 14, tzinfo=UTC)


class Slots(LocalCatalog):
    """A store with its limits, asked at times of the test's choosing (seconds)."""

    at = 0.0

    def _instant(self) -> int:
        return micros(START) + round(self.at * 1_000_000)

    def limit(self, name: str, slots: int, decay: float = 0.0, active: bool = True) -> None:
        new = {"name": name, "limit": slots, "slot_decay_per_second": decay, "active": active}
        self.create("concurrency_limits", new, overwrite=True)

    def acquire(
        self, names: str, slots: int = 1, at: float = 0.0, lasts: float = 60.0, lease: UUID | None = None
    ) -> float | None:
        self.at = at
        return self.try_acquire(lease or new_id(), names.split(), slots, lasts)

    def taken(self, at: float = 0.0) -> dict[str, int]:
        self.at = at
        return {limit.name: limit.active_slots for limit in self.concurrency_limits()}


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[Slots]:
    with closing(SqliteDatabase(tmp_path / "slots.db")) as database:
        yield Slots(database, Settings(tmp_path))


@pytest.fixture(scope="module")
def many_slots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slots]:
    """One store for all examples of a property, each with a limit of its own."""
    with closing(SqliteDatabase(tmp_path_factory.mktemp("rates") / "slots.db")) as database:
        yield Slots(database, Settings(Path()))


def test_no_more_slots_are_given_than_there_are(slots: Slots) -> None:
    slots.limit("db", 3)
    assert [slots.acquire("db", count) for count in (2, 2, 1, 1)] == [None, 0.0, None, 0.0]
    assert slots.taken() == {"db": 3}


def test_a_lease_ends_at_its_time(slots: Slots) -> None:
    slots.limit("db", 1)
    slots.acquire("db", at=0, lasts=10)
    assert [slots.taken(at)["db"] for at in (9.999, 10)] == [1, 0]
    assert [slots.acquire("db", at=at, lasts=0) for at in (9.999, 10)] == [0.0, None]


def test_a_renewed_lease_lasts_longer(slots: Slots) -> None:
    slots.limit("db", 1)
    lease = new_id()
    slots.acquire("db", at=0, lasts=10, lease=lease)
    assert slots.renew_lease(lease, 20)
    assert not slots.renew_lease(new_id(), 20)
    assert [slots.acquire("db", at=at) for at in (19.999, 20)] == [0.0, None]
    assert not slots.renew_lease(lease, 99), "somebody else has its slot by now"


def test_all_the_named_limits_or_none(slots: Slots) -> None:
    slots.limit("db", 1)
    slots.limit("api", 5)
    slots.acquire("db")
    assert slots.acquire("api db", 2) == 0.0
    assert slots.taken() == {"api": 0, "db": 1}
    assert slots.acquire("api api", 2) is None
    assert slots.taken() == {"api": 2, "db": 1}, "a name given twice counts once"


@pytest.mark.parametrize(("names", "active"), [("unknown", True), ("db", False)])
def test_what_is_not_limited_always_lets_pass(slots: Slots, names: str, active: bool) -> None:
    slots.limit("db", 0, active=active)
    assert [slots.acquire(names, 100) for _ in range(3)] == [None] * 3


def test_a_lease_that_is_asked_for_again_takes_its_own_place(slots: Slots) -> None:
    """Its answer was lost on the way; what it holds must not count against it."""
    slots.limit("db", 2)
    lease = new_id()
    assert [slots.acquire("db", 2, lease=lease) for _ in range(3)] == [None] * 3
    assert slots.taken() == {"db": 2}


def test_slots_that_decay_come_back_at_their_rate(slots: Slots) -> None:
    slots.limit("rate", 2, decay=0.5)
    assert [slots.acquire("rate", at=0) for _ in range(3)] == [None, None, 2.0]
    assert slots.acquire("rate", at=1) == 1.0
    assert slots.taken(at=1) == {"rate": 2}
    assert [slots.acquire("rate", at=2) for _ in range(2)] == [None, 2.0]
    assert slots.taken(at=60) == {"rate": 0}


@quick
@given(st.integers(1, 5), st.floats(0.1, 10), st.lists(st.floats(0, 5), min_size=1, max_size=12))
def test_a_rate_is_never_exceeded(many_slots: Slots, limit: int, decay: float, pauses: list[float]) -> None:
    """Whoever asks again after the seconds that he was told gets his slot, and over any time no more than the rate."""
    name, now = f"rate-{new_id()}", 0.0
    many_slots.limit(name, limit, decay)
    for taken, pause in enumerate(pauses, 1):
        now += pause
        wait = many_slots.acquire(name, at=now)
        if wait is not None:
            now += wait + 1e-5  # a store counts in whole microseconds
            assert many_slots.acquire(name, at=now) is None
        assert taken <= limit + decay * now + 1e-3


def test_a_changed_limit_counts_what_is_held(slots: Slots) -> None:
    slots.limit("db", 3)
    slots.acquire("db", 2)
    slots.limit("db", 2)
    assert slots.acquire("db") == 0.0
    slots.limit("db", 3)
    assert slots.acquire("db") is None
    assert slots.taken() == {"db": 3}


def test_a_limit_goes_with_its_leases(slots: Slots) -> None:
    slots.limit("db", 1)
    slots.acquire("db")
    slots.delete("concurrency_limits", name="db")
    slots.limit("db", 1)
    assert slots.acquire("db") is None


def test_a_lease_that_is_given_back_frees_all_its_slots(slots: Slots) -> None:
    slots.limit("db", 5)
    slots.limit("api", 5)
    lease = new_id()
    slots.acquire("db api", lease=lease)
    assert slots.taken() == {"api": 1, "db": 1}
    slots.release_lease(lease)
    assert slots.taken() == {"api": 0, "db": 0}
