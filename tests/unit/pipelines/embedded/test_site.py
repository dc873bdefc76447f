"""The TLC's site: asked whether it answers, fetched from once, and believed only what can be read."""

import threading
from pathlib import Path

import pytest

from pipelines.embedded.download import Patience
from pipelines.embedded.months import write_month
from pipelines.embedded.site import KNOWN_MONTH, TlcSite
from pipelines.errors import NotPublishedError, SourceError
from pipelines.tlc import Month
from tests.support.tlc_site import tlc_site

KNOWN = KNOWN_MONTH.file_name
HASTY = Patience(answer=10.0, pauses=(0.0,))


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_month(KNOWN_MONTH, tmp_path_factory.mktemp("month"), rows=3_000).read_bytes()


def test_a_site_with_the_known_month_answers(content: bytes, tmp_path: Path) -> None:
    with tlc_site(files={KNOWN: content}) as site:
        assert TlcSite(site.url, tmp_path).answers(seconds=30.0)
        assert site.asked == [(KNOWN, "bytes=0-3")], "four bytes are enough"


def test_a_site_that_sends_whole_files_answers_too(content: bytes, tmp_path: Path) -> None:
    with tlc_site(files={KNOWN: content}, understand_ranges=False) as site:
        assert TlcSite(site.url, tmp_path).answers(seconds=30.0)


@pytest.mark.parametrize(
    "given", [{"files": {KNOWN: b"<html>sign in</html>"}}, {"refusals": [403]}, {"refusals": [502]}], ids=str
)
def test_something_else_in_its_place_is_no_answer(given: dict[str, object], tmp_path: Path) -> None:
    with tlc_site(**given) as site:
        assert not TlcSite(site.url, tmp_path).answers(seconds=30.0)


def test_a_site_that_takes_too_long_is_no_answer(content: bytes, tmp_path: Path) -> None:
    with tlc_site(files={KNOWN: content}, stuck=threading.Event()) as site:
        assert not TlcSite(site.url, tmp_path).answers(seconds=0.05)


def test_nobody_there_is_no_answer(tmp_path: Path) -> None:
    with tlc_site() as site:
        pass
    assert not TlcSite(site.url, tmp_path).answers(seconds=30.0)


def test_a_month_is_fetched_once(content: bytes, tmp_path: Path) -> None:
    with tlc_site(files={KNOWN: content}) as site:
        source = TlcSite(site.url, tmp_path, HASTY)
        assert not source.has(KNOWN_MONTH)
        first, second = (source.fetch(KNOWN_MONTH, tmp_path / "unused") for _ in range(2))
        assert first == second
        assert first.name == KNOWN
        assert first.read_bytes() == content
        assert source.has(KNOWN_MONTH)
        assert len(site.asked) == 1
        assert not TlcSite(site.url + "/mirror", tmp_path).has(KNOWN_MONTH), "another site's months are others"


def test_what_is_no_parquet_file_is_told_and_not_kept(content: bytes, tmp_path: Path) -> None:
    damaged = content[:2_000] + bytes(len(content) - 3_000) + content[-1_000:]
    for garbage in (b"<html>sign in</html>", b"", content[:-9], damaged):
        with tlc_site(files={KNOWN: garbage}) as site:
            source = TlcSite(site.url, tmp_path, HASTY)
            with pytest.raises(SourceError) as caught:
                source.fetch(KNOWN_MONTH, tmp_path)
            assert str(caught.value).startswith(f"What {site.url}/{KNOWN} served is not a readable parquet file (")
            assert "\n" not in str(caught.value)
            assert not source.has(KNOWN_MONTH)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_month_that_is_not_published_is_named(tmp_path: Path) -> None:
    with tlc_site() as site, pytest.raises(NotPublishedError, match="has not published green_tripdata_2031-01"):
        TlcSite(site.url, tmp_path, HASTY).fetch(Month(2031, 1), tmp_path)
