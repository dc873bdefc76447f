"""Slots: taken all or none, counted from leases, and free again when a lease ends or its holder dies."""

import multiprocessing
import os
import signal
from functools import partial
from uuid import UUID

import pytest

from orchestration.backend.clock import new_id
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from tests.support.backends import Store, at_once, set_limit

LONG = 3600.0
SOON = 0.1
"""Seconds after which a server wants to be asked again, where only a release can tell."""


def _acquire(backend: Backend, *names: str, slots: int = 1, seconds: float = LONG) -> float | None:
    return backend.try_acquire(new_id(), names, slots, seconds)


def _taken(backend: Backend) -> dict[str, int]:
    return {limit.name: limit.active_slots for limit in backend.concurrency_limits()}


def test_limits_are_listed_by_name_with_what_is_taken(backend: Backend) -> None:
    set_limit(backend, "db", 3)
    set_limit(backend, "api", 5, decay=0.25, active=False)
    _acquire(backend, "db", slots=2)
    api, db = backend.concurrency_limits()
    assert (api.name, api.limit, api.slot_decay_per_second, api.active, api.active_slots) == ("api", 5, 0.25, False, 0)
    assert (db.name, db.limit, db.slot_decay_per_second, db.active, db.active_slots) == ("db", 3, 0.0, True, 2)


def test_a_limit_can_be_changed_and_go(backend: Backend) -> None:
    set_limit(backend, "db", 1)
    (first,) = backend.concurrency_limits()
    _acquire(backend, "db")
    assert _acquire(backend, "db") is not None
    set_limit(backend, "db", 2)
    assert _acquire(backend, "db") is None
    (changed,) = backend.concurrency_limits()
    assert (changed.id, changed.created, changed.limit) == (first.id, first.created, 2)
    backend.delete("concurrency_limits", name="db")
    with pytest.raises(ObjectNotFound, match="db"):
        backend.delete("concurrency_limits", name="db")
    assert backend.concurrency_limits() == []
    assert _acquire(backend, "db", slots=100) is None


def test_all_the_named_limits_or_none(backend: Backend) -> None:
    set_limit(backend, "db", 1)
    set_limit(backend, "api", 5)
    _acquire(backend, "db")
    assert _acquire(backend, "api", "db", slots=1) is not None
    assert _taken(backend) == {"api": 0, "db": 1}


def test_what_is_not_limited_lets_pass(backend: Backend) -> None:
    set_limit(backend, "off", 0, active=False)
    assert [_acquire(backend, "off", "unknown", slots=50) for _ in range(3)] == [None] * 3
    assert _acquire(backend) is None


def test_a_lease_that_is_given_back_frees_its_slots(backend: Backend) -> None:
    set_limit(backend, "db", 1)
    lease = new_id()
    assert backend.try_acquire(lease, ["db"], 1, LONG) is None
    assert backend.try_acquire(lease, ["db"], 1, LONG) is None, "asked for again after its answer was lost"
    assert 0 <= (_acquire(backend, "db") or 0) <= SOON
    for _ in range(2):
        backend.release_lease(lease)
    assert _acquire(backend, "db") is None


def test_a_lease_ends_by_itself_unless_it_is_renewed(own_backend: Backend) -> None:
    set_limit(own_backend, "db", 1)
    ended, renewed = new_id(), new_id()
    assert own_backend.try_acquire(ended, ["db"], 1, 0.0) is None
    assert own_backend.try_acquire(renewed, ["db"], 1, 0.0) is None, "the first has run out"
    assert not own_backend.renew_lease(ended, LONG)
    assert own_backend.renew_lease(renewed, LONG)
    assert _acquire(own_backend, "db") is not None
    assert own_backend.renew_lease(renewed, 0.0)
    assert _acquire(own_backend, "db") is None
    assert not own_backend.renew_lease(new_id(), LONG)


def test_slots_that_decay_come_back_by_themselves(backend: Backend) -> None:
    set_limit(backend, "slow", 2, decay=0.001)
    set_limit(backend, "fast", 2, decay=1e6)
    assert [_acquire(backend, "slow") for _ in range(2)] == [None, None]
    wait = _acquire(backend, "slow")
    assert wait == pytest.approx(1000, rel=0.2)
    assert [_acquire(backend, "fast", slots=2) or 0.0 for _ in range(5)] == pytest.approx([0.0] * 5, abs=1e-3)
    assert _taken(backend)["slow"] == 2


def test_a_lease_on_a_decaying_limit_gives_nothing_back_early(backend: Backend) -> None:
    set_limit(backend, "slow", 1, decay=0.001)
    lease = new_id()
    backend.try_acquire(lease, ["slow"], 1, LONG)
    backend.release_lease(lease)
    assert _acquire(backend, "slow") is not None


def test_of_many_who_ask_no_more_get_slots_than_there_are(store: Store) -> None:
    backends = [store.open() for _ in range(4)]
    set_limit(backends[0], "db", 5)
    waits = at_once([partial(_acquire, backends[number % 4], "db") for number in range(16)])
    assert (waits.count(None), sum(isinstance(wait, float) for wait in waits)) == (5, 11)
    assert _taken(backends[0]) == {"db": 5}


def _hold_and_die(store: Store, lease: UUID) -> None:
    assert store.open().try_acquire(lease, ["db"], 1, LONG) is None
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_slots_of_a_process_that_was_killed_are_free_at_once(own_store: Store) -> None:
    backend = own_store.open()
    set_limit(backend, "db", 2)
    _acquire(backend, "db")
    lease = new_id()
    holder = multiprocessing.get_context("fork").Process(target=_hold_and_die, args=(own_store, lease))
    holder.start()
    holder.join(30)
    assert holder.exitcode == -signal.SIGKILL
    assert [_acquire(backend, "db") for _ in range(2)] == [None, 0.0]
    assert not backend.renew_lease(lease, LONG)


def test_slots_without_a_lease_are_given_back_by_number(own_backend: Backend) -> None:
    set_limit(own_backend, "db", 5)
    forever, leased = new_id(), new_id()
    assert own_backend.try_acquire(forever, ["db"], 3, float("inf"), remote=True) is None
    assert own_backend.try_acquire(leased, ["db"], 1, LONG, remote=True) is None
    (limit,) = own_backend.concurrency_limits()
    assert (limit.active_slots, set(limit.lease_ids)) == (4, {forever, leased})
    own_backend.take_back("db", 2)
    assert _taken(own_backend) == {"db": 2}
    own_backend.take_back("db", 2)
    assert _taken(own_backend) == {"db": 1}, "a lease is not given back by number"
    own_backend.take_back("db")
    assert _taken(own_backend) == {"db": 0}


def test_all_slots_of_a_decaying_limit_can_be_taken_back(backend: Backend) -> None:
    set_limit(backend, "slow", 1, decay=0.001)
    assert [_acquire(backend, "slow") is None for _ in range(2)] == [True, False]
    backend.take_back("slow")
    assert _acquire(backend, "slow") is None
