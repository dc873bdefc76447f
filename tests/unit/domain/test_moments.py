"""Moments and spans as people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from orchestration.domain.errors import UsageError
from orchestration.domain.schedules import moment_meant, span_meant

NOW = datetime(2024, 5, 17, 8, 30, 12, tzinfo=timezone(timedelta(hours=-4)))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("in 5 minutes", 300), ("1 hour", 3600), ("90s", 90), ("1h 30m", 5400), ("in 2 days and 3 hours", 183_600),
        ("0.5 h", 1800), ("In 1 WEEK", 604_800),
    ],
)  # fmt: skip
def test_spans(text: str, seconds: float) -> None:
    assert span_meant(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "soon", "5", "5 minutes ago", "in", "minutes"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no span of time"):
        span_meant(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("at 5:30pm", datetime(2024, 5, 17, 21, 30, tzinfo=UTC)),
        ("09:00", datetime(2024, 5, 17, 13, 0, tzinfo=UTC)),
        ("2024-06-03 09:00", datetime(2024, 6, 3, 13, 0, tzinfo=UTC)),
        ("2024-06-03T09:00:00Z", datetime(2024, 6, 3, 9, 0, tzinfo=UTC)),
        ("2024-06-03", datetime(2024, 6, 3, 4, 0, tzinfo=UTC)),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    assert moment_meant(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2024-13-01"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no moment"):
        moment_meant(text, NOW)
