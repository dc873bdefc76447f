"""Identifiers of one process: each later one sorts after each earlier one."""

import threading
import time
from datetime import UTC, timedelta
from uuid import UUID

import pytest

from orchestration.backend.clock import new_id, utc_now


def test_the_time_is_utc() -> None:
    assert utc_now().tzinfo is UTC
    assert utc_now() - utc_now() < timedelta(seconds=1)


def test_ids_keep_the_order_of_their_making() -> None:
    made = [new_id() for _ in range(5_000)]
    assert made == sorted(made)
    assert [str(each) for each in made] == sorted(map(str, made))
    assert len(set(made)) == len(made)


def test_an_id_holds_the_time_of_its_making() -> None:
    before = time.time_ns() // 1_000_000
    stamp = new_id().int >> 80
    assert before <= stamp <= time.time_ns() // 1_000_000


def test_ids_of_many_threads_all_differ() -> None:
    made: list[list[UUID]] = [[] for _ in range(4)]

    def make(place: list[UUID]) -> None:
        place.extend(new_id() for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(place,)) for place in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(place == sorted(place) for place in made)
    assert len({each for place in made for each in place}) == 8_000


def test_a_clock_that_is_set_back_does_not_disturb_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_id()
    with monkeypatch.context() as patched:
        patched.setattr(time, "time_ns", lambda: 0)
        second, third = new_id(), new_id()
    assert first < second < third < new_id()
