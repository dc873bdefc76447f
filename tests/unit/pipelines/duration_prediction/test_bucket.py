"""Which objects are the months that are wanted, and where each version of them is kept."""

import os
from pathlib import Path

import pytest

from pipelines.duration_prediction.bucket import StoredMonth, find_months, forget_old_files, mark_used
from pipelines.errors import MissingMonthError
from pipelines.tlc import Month

JANUARY, MARCH = Month(2021, 1), Month(2021, 3)


def _listed(*months: str) -> list[dict[str, object]]:
    return [
        {"Key": f"folder/data/green_tripdata_{month}.parquet", "Size": 7, "ETag": f'"{month}"'} for month in months
    ]


def test_months_are_found_in_the_order_in_which_they_are_asked_for() -> None:
    found = find_months(_listed("2021-01", "2021-02", "2021-03"), [MARCH, JANUARY], "trips")
    assert found == [StoredMonth(MARCH, 7, '"2021-03"'), StoredMonth(JANUARY, 7, '"2021-01"')]
    assert found[0].path == "data/green_tripdata_2021-03.parquet"


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        (_listed(), "it holds no month at all"),
        (_listed("2021-02", "2021-01"), "it holds 2021-01, 2021-02"),
        (_listed(*(f"20{year}-01" for year in range(10, 30))), "it holds 20 months from 2010-01 to 2029-01"),
    ],
)
def test_a_month_that_is_not_there_is_named_with_those_that_are(listed: list[dict[str, object]], known: str) -> None:
    with pytest.raises(MissingMonthError) as caught:
        find_months(listed, [MARCH], "trips")
    assert str(caught.value) == (
        f"The bucket trips has no data/green_tripdata_2021-03.parquet ({known}): "
        "upload that month or choose another one."
    )


def test_only_the_same_version_is_kept_and_only_whole(tmp_path: Path) -> None:
    stored = StoredMonth(JANUARY, 4, '"one"')
    assert not stored.is_kept(tmp_path)
    path = stored.file(tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"abc")
    assert path.name == JANUARY.file_name
    assert not stored.is_kept(tmp_path)
    path.write_bytes(b"abcd")
    assert stored.is_kept(tmp_path)
    assert not StoredMonth(JANUARY, 4, '"two"').is_kept(tmp_path)
    assert not StoredMonth(JANUARY, 5, '"one"').is_kept(tmp_path)


def test_files_that_no_run_has_used_for_two_months_are_forgotten(tmp_path: Path) -> None:
    old, used = (StoredMonth(JANUARY, 1, version).file(tmp_path) for version in ("old", "used"))
    for path in (old, used):
        path.parent.mkdir()
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    mark_used(used, now=90 * 86_400.0)
    forget_old_files(tmp_path, now=100 * 86_400.0)
    assert (old.exists(), used.exists()) == (False, True)
