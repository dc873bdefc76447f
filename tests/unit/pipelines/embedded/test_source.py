"""Where the embedded bucket's months come from."""

from pathlib import Path

import boto3
import pyarrow.parquet as pq
import pytest

from pipelines.embedded.endpoints import s3_endpoint
from pipelines.embedded.months import write_month
from pipelines.embedded.site import KNOWN_MONTH, TlcSite
from pipelines.embedded.source import GeneratedMonths, TlcFolder, choose_source, fill_bucket
from pipelines.errors import SourceError
from pipelines.tlc import Month
from tests.support.tlc_site import tlc_site

JANUARY, FEBRUARY = MONTHS = Month(2021, 1), Month(2021, 2)


def test_a_folder_is_chosen_where_one_is_named(tmp_path: Path) -> None:
    source = choose_source({"TLC_DATA_DIR": str(tmp_path), "TLC_SITE_URL": "nonsense"}, tmp_path, MONTHS)
    assert source == TlcFolder(tmp_path)
    assert source.kind == "tlc-dir"
    assert source.sentence == f"The data are the TLC's trip records in {tmp_path}."


@pytest.mark.parametrize("named", [{}, {"TLC_DATA_DIR": ""}, {"TLC_DATA_DIR": " "}])
def test_without_a_folder_the_site_is_chosen_if_it_answers(named: dict[str, str], tmp_path: Path) -> None:
    known = write_month(KNOWN_MONTH, tmp_path, rows=5)
    with tlc_site(files={known.name: known.read_bytes()}) as site:
        source = choose_source({**named, "TLC_SITE_URL": f"{site.url}/"}, tmp_path / "cache", MONTHS)
        assert source == TlcSite(site.url, tmp_path / "cache")
        assert source.kind == "tlc-site"
        assert source.sentence == f"The data are the TLC's trip records from {site.url}."


def test_otherwise_months_are_made_up_and_the_sentence_says_why(tmp_path: Path) -> None:
    with tlc_site() as site:
        source = choose_source({"TLC_SITE_URL": site.url}, tmp_path, MONTHS)
    assert source.kind == "generated"
    assert source.sentence.startswith(
        "The data are generated, not real, because the TLC's site did not answer within 2 s: set TLC_DATA_DIR to a"
    )


def test_an_empty_address_asks_nobody(tmp_path: Path) -> None:
    source = choose_source({"TLC_SITE_URL": ""}, tmp_path, MONTHS)
    assert source.sentence.startswith("The data are generated, not real, because TLC_SITE_URL is empty: set TLC_DATA")


def test_a_site_that_is_gone_is_not_missed_once_its_months_are_here(tmp_path: Path) -> None:
    contents = {month.file_name: write_month(month, tmp_path, rows=5).read_bytes() for month in MONTHS}
    cache = tmp_path / "cache"
    with tlc_site(files=contents) as site:
        source = choose_source({"TLC_SITE_URL": site.url}, cache, MONTHS)
        for month in MONTHS:
            source.fetch(month, tmp_path)
    assert choose_source({"TLC_SITE_URL": site.url}, cache, MONTHS) == source
    assert choose_source({"TLC_SITE_URL": site.url}, cache, [*MONTHS, Month(2021, 3)]).kind == "generated"


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="TLC_SITE_URL=file:///etc is no address of a site: write it as https://"):
        choose_source({"TLC_SITE_URL": "file:///etc"}, tmp_path, MONTHS)


def test_a_relative_folder_is_the_one_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tlc").mkdir()
    monkeypatch.chdir(tmp_path)
    assert choose_source({"TLC_DATA_DIR": "tlc"}, tmp_path, MONTHS) == TlcFolder(tmp_path / "tlc")


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"TLC_DATA_DIR={tmp_path}/none is not a folder"):
        choose_source({"TLC_DATA_DIR": f"{tmp_path}/none"}, tmp_path, MONTHS)


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
        GeneratedMonths("nobody answers").fetch(Month(2013, 7), tmp_path)


def test_a_made_up_month_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    path = GeneratedMonths("nobody answers").fetch(JANUARY, tmp_path)
    assert path == tmp_path / JANUARY.file_name
    assert pq.read_metadata(path).num_rows == 60_000


def test_the_bucket_holds_the_months_byte_for_byte_and_lacks_what_the_source_lacks(tmp_path: Path) -> None:
    path = write_month(JANUARY, tmp_path, rows=50)
    with s3_endpoint() as server:
        (missing,) = fill_bucket(server.url, "trips", "data/", TlcFolder(tmp_path), [JANUARY, FEBRUARY])
        client = boto3.client(
            "s3", endpoint_url=server.url, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
        )
        listed = client.list_objects_v2(Bucket="trips")["Contents"]
        assert [each["Key"] for each in listed] == [f"data/{path.name}"]
        assert client.get_object(Bucket="trips", Key=f"data/{path.name}")["Body"].read() == path.read_bytes()
    assert "has no green_tripdata_2021-02.parquet" in str(missing)
