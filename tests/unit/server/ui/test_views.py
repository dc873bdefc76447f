"""Words for spans of time, and what is left of markdown that means harm."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from orchestration.server.ui import views


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "\u2013"), (0.0123, "12 ms"), (4.25, "4.2 s"), (59.6, "1m"),
     (75, "1m 15s"), (3600, "1h"), (90_061, "1d 1h")],
)
def test_a_span_of_time_has_two_units_at_most(seconds: float | None, said: str) -> None:
    assert views.duration(seconds) == said


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("# Report", "<h1>Report</h1>"),
        ("| a |\n|---|\n| 1 |", "<td>1</td>"),
        ("![x](data:image/png;base64,AAAA)", 'src="data:image/png;base64,AAAA"'),
        ("![x](/picture.png)", 'src="/picture.png"'),
        ("[x](https://example.org)", 'href="https://example.org"'),
    ],
)
def test_markdown_keeps_what_people_write(given: str, kept: str) -> None:
    assert kept in views.markdown(given)


@pytest.mark.parametrize(
    "given",
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "<style>a{}</style>",
        "[x](data:text/html;base64,PHNjcmlwdD4=)", "![x](https://example.org/far.png)", "![x](//example.org/far.png)",
        '<p style="position:fixed">x</p>', "<iframe src=/></iframe>", '<a href=" DATA:text/html,1">x</a>',
        "<svg><script>alert(1)</script></svg>", "![x](data:text/html,1)",
    ],
)  # fmt: skip
def test_markdown_loses_what_could_do_harm(given: str) -> None:
    html = views.markdown(given)
    for harm in ("script", "onerror", "style", "iframe", "data:text", "DATA:text", "far.png", "svg"):
        assert not re.search(rf"<[^>]*{harm}", html)


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ('[{"a": 1}]', [{"a": 1}]),
        ({"a": [1, 2], "b": [3, 4]}, [{"a": 1, "b": 3}, {"a": 2, "b": 4}]),
        ([["x", 1]], [{"0": "x", "1": 1}]),
        ("no table", []),
        (None, []),
    ],
)
def test_a_table_is_read_in_all_its_forms(data: object, rows: list[object]) -> None:
    assert views.table_of(data) == rows


def test_the_next_times_of_a_schedule_are_told() -> None:
    found = views.fires({"cron": "0 9 3 * *", "timezone": "UTC"}, 2, datetime(2026, 1, 4, tzinfo=UTC))
    assert [f"{each:%m-%d %H}" for each in found] == ["02-03 09", "03-03 09"]
