"""The report in all its forms: with its figures inside, beside it, or travelling with a mail."""

import re
from dataclasses import replace

import pytest

from pipelines.duration_prediction.report import Report, build_report, report_files, subject, verdict_lines
from tests.support.findings import FINDINGS, SHIFTED, make_facts

PNG = b"\x89PNG\r\n\x1a\n"
FIGURES = {"residuals": PNG, "error-map": PNG}
VERDICT = (
    "Promoted to champion: off by an RMSE of 5.13 minutes on 2021-02, 34% better than the best baseline (Linear model "
    "on pair and distance: 7.76)."
)


def _forms(report: Report) -> list[str]:
    return [report.artifact(), report.mail_html(), report.mail_text()]


def test_it_opens_with_its_verdict_in_every_form() -> None:
    report = build_report(make_facts(), FIGURES)
    assert all(VERDICT in form for form in _forms(report))
    assert report.artifact().startswith("# Duration model report\n\nGreen taxis, learnt from 2021-01 (73,906 trips), ")


def test_the_sections_come_in_the_order_in_which_they_are_asked_for() -> None:
    headings = re.findall(r"^## (.+)$", build_report(make_facts(), FIGURES).artifact(), flags=re.MULTILINE)
    assert headings == [
        "Against the baselines and the champion",
        "Trend",
        "What changed since last month",
        "Where it errs",
        "The worst trips",
        "Data",
        "How it was trained",
        "Provenance",
    ]


@pytest.mark.parametrize("generated", [True, False])
def test_made_up_data_are_named_in_plain_words(generated: bool) -> None:
    forms = _forms(build_report(make_facts(replace(FINDINGS, generated=generated)), FIGURES))
    assert ["The data of this report are generated, not real" in form for form in forms] == [generated] * 3


def test_the_artifact_carries_its_figures() -> None:
    markdown = build_report(make_facts(), FIGURES).artifact()
    assert re.findall(r"\]\((.+)\)", markdown) == ["data:image/png;base64,iVBORw0KGgo="] * 2


def test_no_line_of_the_artifact_is_indented() -> None:
    lines = build_report(make_facts(), FIGURES).artifact().splitlines()
    assert not any(line.startswith((" ", "\t")) for line in lines)


def test_the_mail_refers_to_the_figures_that_travel_with_it() -> None:
    html = build_report(make_facts(), FIGURES).mail_html()
    assert re.findall(r'src="([^"]+)"', html) == ["cid:residuals", "cid:error-map"]
    assert "<script" not in html
    assert "http" not in html


def test_on_disk_the_figures_lie_beside_it() -> None:
    files = report_files(build_report(make_facts(), FIGURES))
    assert sorted(files) == [
        "duration-model-report-error-map.png", "duration-model-report-residuals.png", "duration-model-report.html",
        "duration-model-report.md",
    ]  # fmt: skip
    names = re.findall(r"\]\((.+)\)", files["duration-model-report.md"].decode())
    assert [files[name] for name in names] == [PNG, PNG]
    assert all(name in files["duration-model-report.html"].decode() for name in names)


def test_the_subject_tells_what_one_would_want_to_know_on_a_telephone() -> None:
    assert subject(make_facts()) == "Trip durations 2021-02: RMSE 5.13 minutes, promoted to champion"
    flagged = make_facts(replace(FINDINGS, drift=SHIFTED))
    assert build_report(flagged, {}).subject == f"{subject(make_facts())} (drift flagged)"


def test_a_terminal_gets_the_verdict_and_the_table() -> None:
    lines = verdict_lines(make_facts()).splitlines()
    assert lines[:3] == [VERDICT, "Promoted: better by 3.4%.", ""]
    assert lines[3].split() == ["Model", "RMSE", "MAE", "R2", "P50", "P90", "Bias"]
    assert lines[4].split() == ["This", "model", "5.13", "3.40", "0.82", "2.31", "7.90", "-0.12"]
    assert "Champion (version 3, learnt from 2020-12)" in lines[5]
