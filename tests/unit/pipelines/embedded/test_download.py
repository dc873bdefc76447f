"""Fetching a file from a site that cuts connections, forgets ranges, changes its mind, or has no such file."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.embedded.download import Patience, download
from pipelines.errors import NotPublishedError, SourceError
from tests.support.tlc_site import Site, tlc_site

CONTENT = bytes(range(256)) * 2_000
NAME = "green_tripdata_2021-01.parquet"
HASTY = Patience(answer=10.0, pauses=(0.0, 0.0, 0.0))


def _accept(_: Path) -> None:
    return


def _download(site: Site, folder: Path, check: Callable[[Path], None] = _accept) -> bytes:
    download(f"{site.url}/{NAME}", folder / NAME, check, HASTY)
    assert [path.name for path in folder.iterdir()] == [NAME], "nothing unfinished is left"
    return (folder / NAME).read_bytes()


def test_a_file_arrives_whole(tmp_path: Path) -> None:
    with tlc_site(files={NAME: CONTENT}) as site:
        assert _download(site, tmp_path / "new" / "cache") == CONTENT
        assert site.asked == [(NAME, None)]


def test_it_goes_on_where_the_connection_was_cut_however_often(tmp_path: Path) -> None:
    with tlc_site(files={NAME: CONTENT}, cuts=7, cut_after=70_000) as site:
        assert _download(site, tmp_path) == CONTENT
        assert site.cuts == 0
        assert [asked for _, asked in site.asked[:3]] == [None, "bytes=70000-", "bytes=140000-"]


def test_a_later_process_goes_on_where_an_earlier_one_was_killed(tmp_path: Path) -> None:
    with tlc_site(files={NAME: CONTENT}, cuts=1, cut_after=300_000, refusals_after_cut=[401]) as site:
        with pytest.raises(SourceError):
            _download(site, tmp_path)
        assert not (tmp_path / NAME).exists()
        assert _download(site, tmp_path) == CONTENT
        assert site.asked[-1] == (NAME, "bytes=300000-")


def test_a_file_that_was_complete_when_its_process_was_killed_is_fetched_again(tmp_path: Path) -> None:
    def die(part: Path) -> None:
        os.link(part, part.with_name("saved"))
        raise KeyboardInterrupt

    with tlc_site(files={NAME: CONTENT}) as site:
        with pytest.raises(KeyboardInterrupt):
            download(f"{site.url}/{NAME}", tmp_path / NAME, die, HASTY)
        assert [path.name for path in tmp_path.iterdir()] == ["saved"]
        part = tmp_path / f".{NAME}.161078e42e8fef3b.part"
        (tmp_path / "saved").rename(part)
        assert _download(site, tmp_path) == CONTENT
        assert [asked for _, asked in site.asked] == [None, f"bytes={len(CONTENT)}-", None]


def test_a_file_that_changed_meanwhile_is_begun_anew(tmp_path: Path) -> None:
    with tlc_site(files={NAME: b"old" * 50_000}, cuts=1, cut_after=90_000, refusals_after_cut=[401]) as site:
        with pytest.raises(SourceError):
            _download(site, tmp_path)
        site.files, site.etag = {NAME: CONTENT}, '"v2"'
        assert _download(site, tmp_path) == CONTENT


@pytest.mark.parametrize("given", [{"etag": None}, {"understand_ranges": False}], ids=str)
def test_what_cannot_be_gone_on_from_is_begun_anew(tmp_path: Path, given: dict[str, object]) -> None:
    with tlc_site(files={NAME: CONTENT}, cuts=2, cut_after=100_000, **given) as site:
        assert _download(site, tmp_path) == CONTENT
        assert len(site.asked) == 3


def test_a_site_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    with tlc_site(files={NAME: CONTENT}, refusals=[503, 429]) as site:
        assert _download(site, tmp_path) == CONTENT


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_month_that_is_not_published_is_named_and_not_asked_for_twice(tmp_path: Path, code: int) -> None:
    with tlc_site(refusals=[code]) as site:
        with pytest.raises(NotPublishedError) as caught:
            _download(site, tmp_path)
        assert str(caught.value) == (
            f"The TLC has not published {NAME} (no such file at {site.url}/{NAME}): choose another month."
        )
        assert len(site.asked) == 1


def test_another_refusal_is_told(tmp_path: Path) -> None:
    with (
        tlc_site(refusals=[401]) as site,
        pytest.raises(SourceError, match=r"could not be fetched \(HTTP Error 401: .+\): set TLC_DATA_DIR to a folder"),
    ):
        _download(site, tmp_path)


def test_a_site_that_cuts_without_end_is_given_up_in_one_sentence(tmp_path: Path) -> None:
    with tlc_site(files={NAME: CONTENT}, cuts=99, cut_after=0) as site:
        with pytest.raises(SourceError) as caught:
            _download(site, tmp_path)
        assert str(caught.value).startswith(
            f"{site.url}/{NAME} could not be fetched (the answer ended at byte 0 of 512000): run again to go on where"
        )
        assert "\n" not in str(caught.value)
        assert len(site.asked) == 1 + len(HASTY.pauses)


def test_a_site_that_is_gone_is_told(tmp_path: Path) -> None:
    with tlc_site() as site:
        pass
    with pytest.raises(SourceError, match=r"could not be fetched \(.*[Rr]efused.*\)"):
        _download(site, tmp_path)


def test_what_the_check_refuses_is_not_kept(tmp_path: Path) -> None:
    def refuse(_: Path) -> None:
        raise SourceError("not a month")

    with tlc_site(files={NAME: b"<html>sign in</html>"}) as site, pytest.raises(SourceError, match="not a month"):
        _download(site, tmp_path, refuse)
    assert list(tmp_path.iterdir()) == []


def test_nobody_is_shown_a_bar_but_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tlc_site(files={NAME: CONTENT}) as site:
        _download(site, tmp_path)
        assert capsys.readouterr() == ("", "")
        (tmp_path / NAME).unlink()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys.stderr, "isatty", lambda: True)
            _download(site, tmp_path)
    assert f"\rFetching {NAME} [{'#' * 28}] 100% \n" in capsys.readouterr().err
