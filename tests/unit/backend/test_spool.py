"""What waits on the disk: kept whole and in order, and sent by whoever comes next."""

import multiprocessing
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from orchestration.backend.clock import new_id
from orchestration.backend.spool import Entry, Spool
from orchestration.domain.errors import StoreError
from orchestration.persistence.database import only_one_process


def _entries(*bodies: str) -> list[Entry]:
    return [Entry(new_id(), "/logs/", body.encode()) for body in bodies]


def _drained(spool: Spool) -> list[Entry]:
    taken: list[Entry] = []

    def take(entry: Entry) -> bool:
        taken.append(entry)
        return True

    spool.drain(take)
    return taken


def _adopted(folder: Path) -> list[Entry]:
    return _drained(Spool(folder))


def test_nothing_waits_at_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")

    assert not spool
    assert _drained(spool) == []
    assert not (tmp_path / "spool").exists()


def test_what_waits_is_sent_in_order_and_forgotten(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    entries = _entries("[1]", '["a b"]', "[3]")

    spool.append(entries[:2])
    spool.append(entries[2:])

    assert spool
    assert _drained(spool) == entries
    assert not spool
    assert list(tmp_path.iterdir()) == []


def test_a_spool_serves_again_after_it_was_emptied(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for _ in range(3):
        entries = _entries("[1]")
        spool.append(entries)
        assert _drained(spool) == entries


def test_what_was_not_answered_goes_on_waiting(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    entries = _entries("1", "2", "3")
    spool.append(entries)
    taken: list[Entry] = []

    def take(entry: Entry) -> bool:
        if len(taken) == 1:
            raise StoreError("away")
        taken.append(entry)
        return True

    with pytest.raises(StoreError, match="away"):
        spool.drain(take)

    assert taken == entries[:1]
    assert _drained(spool) == entries[1:]


def test_what_the_server_never_takes_is_set_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    entries = _entries("bad", "good")
    spool.append(entries)
    taken = []

    def take(entry: Entry) -> bool:
        taken.append(entry)
        return entry.body != b"bad"

    spool.drain(take)

    assert taken == entries
    assert not spool
    (aside,) = tmp_path.glob("*.refused")
    assert b"bad" in aside.read_bytes()
    assert _adopted(tmp_path) == []


def test_what_comes_while_the_spool_is_emptied_is_sent_as_well(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    first, second = _entries("1", "2")
    spool.append([first])
    taken: list[Entry] = []

    def take(entry: Entry) -> bool:
        if not taken:
            spool.append([second])
        taken.append(entry)
        return True

    spool.drain(take)

    assert taken == [first, second]


def test_many_who_append_at_once_lose_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    entries = [_entries(*(f"{thread}-{number}" for number in range(20))) for thread in range(4)]

    def append(own: list[Entry]) -> None:
        for each in own:
            spool.append([each])

    threads = [threading.Thread(target=append, args=(own,)) for own in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    drained = _drained(spool)

    assert len(drained) == 80
    for own in entries:
        assert [each for each in drained if each in own] == own


def test_one_process_sends_at_a_time(tmp_path: Path) -> None:
    """What one sends, another that comes meanwhile finds sent."""
    mine, theirs = Spool(tmp_path), Spool(tmp_path)
    entries = _entries("1", "2")
    mine.append(entries)
    taken: list[Entry] = []

    def take(entry: Entry) -> bool:
        if not taken:
            other.start()
        taken.append(entry)
        return True

    other = threading.Thread(target=theirs.drain, args=(take,))

    mine.drain(take)
    other.join(30)

    assert taken == entries


def _append_and_die(folder: Path, bodies: list[str], sent: int) -> None:
    spool = Spool(folder)
    spool.append(_entries(*bodies))
    taken = []

    def take(entry: Entry) -> bool:
        taken.append(entry)
        if len(taken) > sent:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    spool.drain(take)


def _killed(folder: Path, bodies: list[str], sent: int) -> None:
    process = multiprocessing.get_context("fork").Process(target=_append_and_die, args=(folder, bodies, sent))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL


def test_the_next_process_sends_what_a_killed_one_left(tmp_path: Path) -> None:
    _killed(tmp_path, ["1", "2", "3"], 1)
    _killed(tmp_path, ["4"], 0)

    assert [entry.body for entry in _adopted(tmp_path)] == [b"2", b"3", b"4"]
    assert list(tmp_path.iterdir()) == []


def test_what_was_being_written_is_passed_over(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(_entries("whole"))
    (tmp_path / f"{new_id()}.new").write_bytes(b"torn")

    assert [entry.body for entry in _adopted(tmp_path)] == [b"whole"]


def test_a_disk_that_takes_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="cannot be kept in"):
        Spool(tmp_path / "file").append(_entries("1"))


def test_a_full_disk_leaves_what_was_written_before(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    entries = _entries("1", "2")
    spool.append(entries[:1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", _full)
        with pytest.raises(StoreError, match="No space left"):
            spool.append(_entries("long " * 100))
    spool.append(entries[1:])

    assert _drained(spool) == entries


def _full(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_child_that_was_forked_meanwhile_keeps_no_turn(tmp_path: Path) -> None:
    with only_one_process(tmp_path / "lock"):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            signal.pause()
    try:
        assert subprocess.run(["flock", "-n", str(tmp_path / "lock"), "true"], check=False).returncode == 0
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
