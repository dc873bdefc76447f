"""Months, and the names of their files."""

import pytest

from pipelines.errors import MonthError
from pipelines.tlc import Colour, Month


@pytest.mark.parametrize("text", ["2021-01", " 2021-01 ", "2021-01\n"])
def test_a_month_is_read_as_the_tlc_writes_it(text: str) -> None:
    assert Month.parse(text) == Month(2021, 1)
    assert str(Month.parse(text)) == "2021-01"


@pytest.mark.parametrize("text", ["", "2021", "2021-13", "2021-00", "2021-1", "21-01", "2021/01", "2021-01-01"])
def test_anything_else_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(MonthError, match="is not a month: write it as year and month, such as 2021-01"):
        Month.parse(text)


@pytest.mark.parametrize(
    ("month", "following"), [("2021-01", "2021-02"), ("2021-11", "2021-12"), ("2021-12", "2022-01")]
)
def test_months_follow_each_other_across_years(month: str, following: str) -> None:
    assert Month.parse(month).next() == Month.parse(following)
    assert Month.parse(following).previous() == Month.parse(month)
    assert Month.parse(month) < Month.parse(following)


def test_a_month_knows_its_file() -> None:
    assert Month(2021, 1).file_name == "green_tripdata_2021-01.parquet"


def test_the_colours_name_their_files_and_times() -> None:
    assert Colour.GREEN.file_name(Month(2021, 1)) == Month(2021, 1).file_name
    assert Colour.YELLOW.file_name(Month(2024, 12)) == "yellow_tripdata_2024-12.parquet"
    assert (Colour.GREEN.pickup, Colour.GREEN.dropoff) == ("lpep_pickup_datetime", "lpep_dropoff_datetime")
    assert (Colour.YELLOW.pickup, Colour.YELLOW.dropoff) == ("tpep_pickup_datetime", "tpep_dropoff_datetime")
