"""Where the embedded bucket's months come from."""

from pathlib import Path

import boto3
import pyarrow.parquet as pq
import pytest

from pipelines.embedded.endpoints import s3_endpoint
from pipelines.embedded.months import write_month
from pipelines.embedded.source import GeneratedMonths, TlcFolder, choose_source, fill_bucket
from pipelines.errors import SourceError
from pipelines.tlc import Month

JANUARY, FEBRUARY = Month(2021, 1), Month(2021, 2)


def test_a_folder_is_chosen_where_one_is_named(tmp_path: Path) -> None:
    source = choose_source({"TLC_DATA_DIR": str(tmp_path)})
    assert source == TlcFolder(tmp_path)
    assert source.kind == "tlc-dir"
    assert source.sentence == f"The data are the TLC's trip records in {tmp_path}."


@pytest.mark.parametrize("environ", [{}, {"TLC_DATA_DIR": ""}, {"TLC_DATA_DIR": " "}])
def test_otherwise_months_are_made_up_and_the_sentence_says_so(environ: dict[str, str]) -> None:
    source = choose_source(environ)
    assert source.kind == "generated"
    assert source.sentence.startswith("The data are generated, not real: set TLC_DATA_DIR")


def test_a_relative_folder_is_the_one_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tlc").mkdir()
    monkeypatch.chdir(tmp_path)
    assert choose_source({"TLC_DATA_DIR": "tlc"}) == TlcFolder(tmp_path / "tlc")


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"TLC_DATA_DIR={tmp_path}/none is not a folder"):
        choose_source({"TLC_DATA_DIR": f"{tmp_path}/none"})


def test_a_folder_gives_its_own_file(tmp_path: Path) -> None:
    path = write_month(JANUARY, tmp_path, rows=5)
    assert TlcFolder(tmp_path).fetch(JANUARY, tmp_path / "unused") == path


def test_a_month_that_the_folder_lacks_is_named_with_those_it_has(tmp_path: Path) -> None:
    write_month(JANUARY, tmp_path, rows=5)
    with pytest.raises(SourceError, match=r"has no green_tripdata_2021-02.parquet \(it has 2021-01\): choose another"):
        TlcFolder(tmp_path).fetch(FEBRUARY, tmp_path)


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="it has no such file at all"):
        TlcFolder(tmp_path).fetch(JANUARY, tmp_path)


def test_a_month_before_the_first_green_taxi_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no green taxis in 2013-07: choose a month from 2013-08 on"):
        GeneratedMonths().fetch(Month(2013, 7), tmp_path)


def test_a_made_up_month_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    path = GeneratedMonths().fetch(JANUARY, tmp_path)
    assert path == tmp_path / JANUARY.file_name
    assert pq.read_metadata(path).num_rows == 60_000


def test_the_bucket_holds_the_months_byte_for_byte(tmp_path: Path) -> None:
    paths = [write_month(month, tmp_path, rows=50) for month in (JANUARY, FEBRUARY)]
    with s3_endpoint() as server:
        fill_bucket(server.url, "trips", "data/", TlcFolder(tmp_path), [JANUARY, FEBRUARY])
        client = boto3.client(
            "s3", endpoint_url=server.url, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
        )
        for path in paths:
            assert client.get_object(Bucket="trips", Key=f"data/{path.name}")["Body"].read() == path.read_bytes()
