"""Which process a run lives in, and whether that process still does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.backend import surroundings
from orchestration.backend.surroundings import is_dead, this_process
from orchestration.domain.schemas.runs import Owner

ASK = "from orchestration.backend.surroundings import this_process; print(*this_process().started.split())"


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def _owner_of(pid: int) -> Owner:
    return replace(this_process(), pid=pid, started=surroundings._started(pid) or "")


@pytest.fixture
def without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A system without ``/proc``, such as macOS."""
    monkeypatch.setattr(surroundings, "_PROC", tmp_path / "no such folder")
    _forget()
    yield
    _forget()


def _forget() -> None:
    for remembered in (surroundings._host, surroundings._boot, surroundings.process):
        remembered.cache_clear()


def test_this_process_lives() -> None:
    here = this_process()
    assert here.pid == os.getpid()
    assert all((here.host, here.boot, here.started))
    assert not is_dead(here)


def test_a_child_lives_until_it_is_killed(child: "subprocess.Popen[bytes]") -> None:
    owner = _owner_of(child.pid)
    assert not is_dead(owner)
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(owner), "a process whose parent has not asked for its end yet is dead all the same"
    child.wait()
    assert is_dead(owner)


def test_another_process_of_the_same_number_is_not_the_same(child: "subprocess.Popen[bytes]") -> None:
    assert is_dead(replace(_owner_of(child.pid), started="1"))


def test_nothing_survives_the_start_of_the_machine() -> None:
    assert is_dead(replace(this_process(), boot="an earlier one"))


@pytest.mark.parametrize("started", ["", "1"])
def test_what_lives_elsewhere_is_not_judged(started: str) -> None:
    """Another host, or another container of this one: neither tells whether its processes live."""
    assert not is_dead(Owner("elsewhere pid:[1]", "its boot", 1, started))
    assert not is_dead(replace(this_process(), host=f"{this_process().host} other", pid=4_194_305))


def test_what_could_not_be_told_is_not_judged() -> None:
    assert not is_dead(replace(this_process(), started=""))


def test_containers_of_one_host_are_told_apart() -> None:
    assert "pid:[" in this_process().host


needs_ps = pytest.mark.skipif(not Path("/bin/ps").exists(), reason="this system has no /bin/ps")


@pytest.mark.usefixtures("without_proc")
class TestWithoutProc:
    @needs_ps
    def test_ps_tells_when_a_process_started(self, child: "subprocess.Popen[bytes]") -> None:
        owner = _owner_of(child.pid)
        assert owner.started
        assert (owner.boot, "pid:[" in owner.host) == ("", False)
        assert not is_dead(owner)
        child.kill()
        child.wait()
        assert is_dead(owner)

    @needs_ps
    def test_all_processes_read_the_same_start(
        self, child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer of ps is a local time, and two processes may be in two zones and languages."""
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        here = surroundings._started(child.pid)
        monkeypatch.setenv("TZ", "America/New_York")
        assert surroundings._started(child.pid) == here

    def test_without_ps_no_process_is_judged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def absent(*_: object, **__: object) -> None:
            raise FileNotFoundError("/bin/ps")

        monkeypatch.setattr(subprocess, "run", absent)
        _forget()
        assert this_process().started == ""
        assert not is_dead(this_process())


def test_a_process_knows_its_own_start() -> None:
    with subprocess.Popen([sys.executable, "-c", f"{ASK}; input()"], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == surroundings._started(process.pid)
        process.kill()
