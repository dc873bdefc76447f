"""Which objects are the files that are wanted, what is said of those that are not there, and where each is kept."""

import os
from datetime import date
from pathlib import Path

import pytest

from pipelines.duration_prediction.bucket import (
    StoredFile,
    expected_on,
    find_centroids,
    find_months,
    forget_old_files,
    listing_prefix,
    mark_used,
)
from pipelines.errors import LateMonthError, MissingMonthError, OverdueMonthError
from pipelines.tlc import Colour, Month

JANUARY, MARCH = Month(2021, 1), Month(2021, 3)
GREEN = Colour.GREEN
LONG_AFTER = date(2035, 1, 1)


def _listed(*months: str, colour: str = "green") -> list[dict[str, object]]:
    return [
        {"Key": f"folder/data/{colour}_tripdata_{month}.parquet", "Size": 7, "ETag": f'"{month}"'} for month in months
    ]


def test_months_are_found_in_the_order_in_which_they_are_asked_for() -> None:
    found = find_months(_listed("2021-01", "2021-02", "2021-03"), [MARCH, JANUARY], GREEN, "trips", LONG_AFTER)
    assert found == {
        MARCH: StoredFile("data/green_tripdata_2021-03.parquet", 7, '"2021-03"'),
        JANUARY: StoredFile("data/green_tripdata_2021-01.parquet", 7, '"2021-01"'),
    }
    assert list(found) == [MARCH, JANUARY]


def test_each_colour_has_its_own_files() -> None:
    listed = _listed("2021-01", colour="yellow")
    assert find_months(listed, [JANUARY], Colour.YELLOW, "trips", LONG_AFTER)[JANUARY].path == (
        "data/yellow_tripdata_2021-01.parquet"
    )
    assert listing_prefix(Colour.YELLOW) == "data/yellow_tripdata_"
    with pytest.raises(MissingMonthError, match="holds no month at all"):
        find_months(listed, [JANUARY], GREEN, "trips", LONG_AFTER)


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        (_listed(), "it holds no month at all"),
        (_listed("2021-02", "2021-01"), "it holds 2021-01, 2021-02"),
        (_listed(*(f"20{year:02}-01" for year in range(1, 22))), "it holds 21 months from 2001-01 to 2021-01"),
    ],
)
def test_an_overdue_month_is_named_with_those_that_are_there(listed: list[dict[str, object]], known: str) -> None:
    with pytest.raises(MissingMonthError) as caught:
        find_months(listed, [MARCH], GREEN, "trips", LONG_AFTER)
    assert not isinstance(caught.value, LateMonthError)
    assert isinstance(caught.value, OverdueMonthError) == bool(listed), "an empty bucket is a wrong one"
    assert str(caught.value) == (
        f"The bucket trips has no data/green_tripdata_2021-03.parquet ({known}): "
        "upload that month or choose another one."
    )


def test_a_month_that_was_left_out_before_later_ones_is_no_late_one() -> None:
    with pytest.raises(MissingMonthError) as caught:
        find_months(_listed("2021-02", "2021-04"), [MARCH], GREEN, "trips", date(2021, 4, 3))
    assert not isinstance(caught.value, LateMonthError | OverdueMonthError)
    assert str(caught.value) == (
        "The bucket trips has no data/green_tripdata_2021-03.parquet, but months after it (it holds 2021-02, 2021-04): "
        "upload the month that was left out or choose another one."
    )


def test_a_month_that_is_not_due_yet_says_when_to_expect_it() -> None:
    with pytest.raises(LateMonthError) as caught:
        find_months(_listed("2021-02"), [MARCH], GREEN, "trips", date(2021, 5, 31))
    assert str(caught.value) == (
        "The bucket trips has no data/green_tripdata_2021-03.parquet yet (it holds 2021-02): the TLC publishes a month "
        "about two months after its end, so expect 2021-03 around 2021-06-01 and run again then."
    )
    assert expected_on(Month(2021, 11)) == date(2022, 2, 1)


def test_the_centroids_are_found_if_they_are_there() -> None:
    listed: list[dict[str, object]] = [{"Key": "x/data/taxi_zone_centroids.csv", "Size": 9, "ETag": "e"}]
    assert find_centroids(listed) == StoredFile("data/taxi_zone_centroids.csv", 9, "e")
    assert find_centroids([{"Key": "data/taxi_zone_centroids.csv.old", "Size": 9, "ETag": "e"}]) is None


def test_only_the_same_version_is_kept_and_only_whole(tmp_path: Path) -> None:
    name = "data/green_tripdata_2021-01.parquet"
    stored = StoredFile(name, 4, '"one"')
    assert not stored.is_kept(tmp_path)
    path = stored.file(tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"abc")
    assert path.name == JANUARY.file_name
    assert not stored.is_kept(tmp_path)
    path.write_bytes(b"abcd")
    assert stored.is_kept(tmp_path)
    assert not StoredFile(name, 4, '"two"').is_kept(tmp_path)
    assert not StoredFile(name, 5, '"one"').is_kept(tmp_path)


def test_files_that_no_run_has_used_for_two_months_are_forgotten(tmp_path: Path) -> None:
    old, used = (StoredFile(f"data/{JANUARY.file_name}", 1, version).file(tmp_path) for version in ("old", "used"))
    for path in (old, used):
        path.parent.mkdir()
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    mark_used(used, now=90 * 86_400.0)
    forget_old_files(tmp_path, now=100 * 86_400.0)
    assert (old.exists(), used.exists()) == (False, True)
