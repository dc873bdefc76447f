"""The days of holiday traffic."""

import numpy as np
import pytest

from pipelines.duration_prediction.holidays import is_holiday


@pytest.mark.parametrize(
    ("day", "holiday"),
    [
        ("2021-01-01", True),
        ("2021-01-18", True),  # Martin Luther King's, the third Monday
        ("2021-11-25", True),  # Thanksgiving, the fourth Thursday
        ("2021-12-24", True),  # Christmas on a Saturday is kept on the Friday
        ("2024-12-25", True),
        ("2021-01-04", False),
        ("NaT", False),
    ],
)
def test_a_day(day: str, holiday: bool) -> None:
    assert is_holiday(np.array([day], dtype="datetime64[D]")).tolist() == [holiday]


def test_many_days_over_many_years() -> None:
    days = np.arange("2019-01-01", "2026-01-01", dtype="datetime64[D]")
    a_year = is_holiday(days).sum() / 7
    assert 10 <= a_year <= 12


def test_no_days_are_no_holidays() -> None:
    assert is_holiday(np.array([], dtype="datetime64[D]")).tolist() == []
