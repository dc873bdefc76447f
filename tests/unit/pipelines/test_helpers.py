"""Helpers: real processes that compute beside this one, and end with it."""

import logging
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipelines.duration_prediction import boosting
from pipelines.helpers import ROOT, Helpers, helping, usable_cores
from tests.support import helped

PARENT = """
import sys
from pathlib import Path
from pipelines.helpers import helping
from tests.support import helped
with helping(1, "decimal") as helpers:
    helpers.call(helped.stay, Path(sys.argv[1]))
"""


@pytest.fixture
def helpers() -> Iterator[Helpers]:
    with helping(1, helped.__name__) as given:
        yield given


def _wait_for_end(process: int) -> None:
    """Fail if the process does not end soon; one that has ended already is fine."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 20.0)[0], f"{process} lives on"
    finally:
        os.close(descriptor)


def _told(path: Path) -> int:
    """The process that will name itself in a named pipe."""
    return int(path.read_text())


def test_helpers_take_turns() -> None:
    with helping(2, helped.__name__) as two:
        one, other, again = (two.call(helped.process, 0) for _ in range(3))
    assert one == again
    assert len({one, other, os.getpid()}) == 3


def test_helpers_outlive_each_other_and_end_together() -> None:
    with helping(2, helped.__name__) as two:
        one, other = (two.call(helped.process, 0) for _ in range(2))
        os.kill(one, signal.SIGKILL)
        assert {two.call(helped.process, 0) for _ in range(4)} == {other, os.getpid()}
    _wait_for_end(other)


def test_what_comes_back_is_what_this_process_would_have_made(helpers: Helpers) -> None:
    there, here = (each.call(helped.double, np.arange(300_000.0)) for each in (helpers, Helpers()))
    assert there.tobytes() == here.tobytes() == (2 * np.arange(300_000.0)).tobytes()


def test_what_the_work_raises_is_raised_wherever_it_is_done(helpers: Helpers) -> None:
    for each in (helpers, helpers, Helpers()):
        with pytest.raises(ValueError, match="no such thing"):
            each.call(helped.refuse, "no such thing")


def test_a_fit_needs_no_pandas() -> None:
    with helping(1, boosting.__name__) as helpers:
        assert helpers.call(helped.loads, boosting.__name__)
        assert not helpers.call(helped.loads, "pandas")


def test_the_work_of_a_helper_that_dies_is_done_here(helpers: Helpers, caplog: pytest.LogCaptureFixture) -> None:
    os.kill(helpers.call(helped.process, 0), signal.SIGKILL)
    with caplog.at_level(logging.WARNING):
        assert {helpers.call(helped.process, 0) for _ in range(4)} == {os.getpid()}
    assert [record.getMessage() for record in caplog.records] == [
        "A helper has ended before its time: its work is done here."
    ]


def test_what_cannot_be_sent_is_refused_and_hangs_nothing(helpers: Helpers) -> None:
    with pytest.raises((AttributeError, pickle.PicklingError), match="pickle"):
        helpers.call(lambda item: item, 1)
    assert {helpers.call(helped.process, 0) for _ in range(3)} == {os.getpid()}


def test_work_that_the_helper_does_not_know_is_done_here(helpers: Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helped, "news", lambda item: item + 1, raising=False)
    monkeypatch.setattr(helped.news, "__qualname__", "news")  # type: ignore[attr-defined]
    monkeypatch.setattr(helped.news, "__module__", helped.__name__)  # type: ignore[attr-defined]
    assert [helpers.call(helped.news, 1) for _ in range(3)] == [2, 2, 2]  # type: ignore[attr-defined]


def test_sent_to_another_process_there_are_no_helpers(helpers: Helpers) -> None:
    elsewhere = pickle.loads(pickle.dumps(helpers))
    assert {elsewhere.call(helped.process, 0) for _ in range(3)} == {os.getpid()}


def test_without_helpers_everything_is_done_here() -> None:
    with helping(0, helped.__name__) as none:
        assert {none.call(helped.process, 0) for _ in range(3)} == {os.getpid()}
    assert usable_cores() >= 1


def test_the_end_ends_a_helper_at_work_and_sends_home_who_waits_for_it(tmp_path: Path) -> None:
    ends: list[str] = []
    os.mkfifo(tmp_path / "told")

    def call(few: Helpers) -> None:
        try:
            few.call(helped.stay, tmp_path / "told")
        except SystemExit as error:
            ends.append(str(error))

    with helping(1, helped.__name__) as few:
        thread = threading.Thread(target=call, args=(few,))
        thread.start()
        at_work = _told(tmp_path / "told")
    thread.join(20)
    assert ends == ["The helpers have been ended."]
    _wait_for_end(at_work)
    with pytest.raises(SystemExit):
        few.call(helped.process, 0)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_helper_at_work_ends_with_its_parent(tmp_path: Path, ending: signal.Signals) -> None:
    os.mkfifo(tmp_path / "told")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "told")], cwd=ROOT, stderr=subprocess.DEVNULL
    ) as parent:
        helper = _told(tmp_path / "told")
        parent.send_signal(ending)
        _wait_for_end(helper)
    assert helper != parent.pid
