"""A person at a terminal sees a bar, and nobody else sees anything."""

import io
import sys

import pytest

from pipelines.progress import Bar, progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_shows_the_share_that_is_done() -> None:
    bar = Bar("Fitting", 300, None)
    bar.reach(75)
    assert bar.line() == "Fitting [#######.....................]  25%"


@pytest.mark.parametrize(("done", "line"), [(9, "A [############################] 100%"), (0, f"A [{'.' * 28}]   0%")])
def test_a_bar_is_never_longer_than_its_line(done: int, line: str) -> None:
    bar = Bar("A", 0, None)
    bar.reach(done, total=8 if done else None)
    assert bar.line() == line


def test_a_terminal_is_drawn_on_and_left_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress_bar("Fetching", 10) as bar:
        for done in range(11):
            bar.reach(done)
    drawn = terminal.getvalue()
    assert drawn.endswith(f"\rFetching [{'#' * 28}] 100% \n")
    assert drawn.count("\r") < 5, "at most ten times a second"


def test_elsewhere_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("Fetching", 10) as bar:
        bar.reach(5)
    assert capsys.readouterr() == ("", "")
