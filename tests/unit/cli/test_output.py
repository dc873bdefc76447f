"""What commands print."""

import io
import sys
from datetime import UTC, datetime, timedelta

import pytest
import typer
from hypothesis import given, strategies as st

from orchestration.cli.output import ago, lines_of, may, print_documents

NOW = datetime(2024, 5, 17, 8, 30, tzinfo=UTC)
COLUMNS = [
    ("ID", "id", "exact"), ("Name", "name", "text"), ("Tags", "tags", "text"), ("On", "on", "exact"),
    ("Seen", "seen", "time"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s ago"), (59, "59s ago"), (60, "1m ago"), (7200, "2h ago"), (200_000, "2d ago"), (-90, "in 2m"),
        (-5, "in 5s"),
    ],
)  # fmt: skip
def test_times_are_told_in_their_largest_unit(seconds: float, text: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_cells_show_what_documents_say() -> None:
    document = {"id": 7, "name": "light\nboar", "tags": ["a", "b"], "on": False, "seen": "2024-05-17T08:29:00Z"}
    assert lines_of([document, {"name": None, "tags": {"k": 1}}], COLUMNS, 80, NOW) == [
        "ID  NAME        TAGS      ON  SEEN",
        "7   light boar  a, b      no  1m ago",
        '                {"k": 1}',
    ]


def test_texts_are_cut_so_that_a_table_fits_and_ids_are_not() -> None:
    identity = "01a204a7-4fc3-706e-94a4-2ab0bc5bdb9a"
    document = {"id": identity, "name": "n" * 60, "tags": "t" * 60, "on": True, "seen": "2024-05-17T08:29:00Z"}
    lines = lines_of([document], COLUMNS, 80, NOW)
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].startswith(identity)
    assert lines[1].count("…") == 2


@given(st.lists(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["C"])), min_size=4, max_size=4)))
def test_what_fits_is_shown_whole(rows: list[list[str]]) -> None:
    documents = [dict(zip(("id", "name", "tags", "on"), row, strict=True)) for row in rows]
    lines = lines_of(documents, COLUMNS, 10_000, NOW)
    assert len(lines) == len(rows) + 1
    assert all(" ".join(cell.split()) in line for row, line in zip(rows, lines[1:], strict=True) for cell in row)


def test_a_terminal_gets_the_states_in_colour(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {"id": 7, "name": "Failed"}
    print_documents([document], COLUMNS[:2], False, "")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_documents([document], COLUMNS[:2], False, "")
    plain, coloured = capsys.readouterr().out.split("Failed\n", 1)
    assert plain == "ID  NAME\n7   "
    assert coloured == "ID  NAME\n7   \x1b[31mFailed\x1b[0m\n"


def test_somebody_at_a_terminal_is_asked_before_something_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    may("Delete it?", yes=False)  # nobody is there
    there = io.StringIO("n\ny\n")
    monkeypatch.setattr(there, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", there)
    may("Delete it?", yes=True)
    with pytest.raises(typer.Abort):
        may("Delete it?", yes=False)
    may("Delete it?", yes=False)
    assert there.read() == ""
