"""A bar at a terminal, and nothing anywhere else."""

import io
import os
import sys

import pytest

from blocks.progress import Bar, progress_bar


def test_nobody_else_sees_a_bar(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bar("Downloading", 10) as bar:
        bar.add(10)
    assert capfd.readouterr() == ("", "")


def test_a_person_at_a_terminal_sees_one(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.openpty()
    with os.fdopen(writer, "w") as terminal, os.fdopen(reader, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress_bar("Downloading 2 objects", 2_000_000) as bar:
            bar.add(1_000_000)
            bar.add(1_000_000)
        shown = ""
        while not shown.endswith("\n"):
            shown += screen.read(10_000).decode()
    assert shown.startswith("\rDownloading 2 objects [##############..............]  50% 1.0 / 2.0 MB")
    assert "[############################] 100% 2.0 / 2.0 MB" in shown
    assert shown.endswith("\r\n")


def test_a_line_tells_share_amount_and_speed() -> None:
    bar = Bar("Reading", 4_000_000_000, io.StringIO())
    bar.add(1_000_000_000)
    assert bar.line(10.0) == "Reading [#######.....................]  25% 1,000.0 / 4,000.0 MB, 100.0 MB/s "


def test_nothing_to_do_is_done() -> None:
    assert "100%" in Bar("Reading", 0, None).line(0.0)
