"""The report says what was found, warns where data are made up, and stands on its own in every form."""

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipelines.duration_prediction.config import plan_months
from pipelines.duration_prediction.data import MonthCounts, Trips
from pipelines.duration_prediction.evaluation import Metrics, Score
from pipelines.duration_prediction.report import (
    Report,
    ReportFacts,
    build_report,
    draw_figures,
    report_files,
    score_lines,
)

PLAN = plan_months(["2021-01"], "2021-02")
FACTS = ReportFacts(
    day=date(2021, 3, 3),
    plan=PLAN,
    scores=(
        Score("Gradient boosting (this model)", Metrics(5.388, 3.5, 0.8)),
        Score("Median by pair of zones", Metrics(9.07, 5.6, 0.4)),
        Score("Linear model on pair and distance", Metrics(7.76, 5.3, 0.6)),
    ),
    counts=(
        MonthCounts(PLAN.train[0], 76_518, 0, 3, 1_448, 1_161),
        MonthCounts(PLAN.validate, 64_572, 0, 2, 1_129, 1_521),
    ),
    generated=False,
    provenance={"Model": "models:/nyc-taxi-duration/1", "Bucket": "nyc-taxi-trips-data"},
)
PNG = b"\x89PNG\r\n\x1a\n"
FIGURES = {"residuals": PNG}


def _forms(report: Report) -> list[str]:
    return [report.artifact(), report.mail_html(), report.mail_text()]


def test_it_opens_with_a_verdict() -> None:
    sentence = (
        "Duration prediction: learnt from 2021-01, the model is off by an RMSE of 5.39 minutes on the trips of "
        "2021-02; that is 2.37 minutes better than the best baseline (Linear model on pair and distance: 7.76)."
    )
    assert all(sentence in form for form in _forms(build_report(FACTS, FIGURES)))


def test_a_model_that_loses_is_not_recommended() -> None:
    scores = (replace(FACTS.scores[0], metrics=Metrics(8.0, 6.0, 0.4)), *FACTS.scores[1:])
    assert (
        "0.24 minutes worse than the best baseline, so not worth deploying"
        in build_report(replace(FACTS, scores=scores), {}).mail_text()
    )


def test_it_has_the_tutorials_table_of_date_and_rmse() -> None:
    assert "| Date | RMSE |\n| :--- | ---: |\n| 2021-03-03 | 5.39 |" in build_report(FACTS, FIGURES).artifact()


def test_it_shows_baselines_counts_and_provenance() -> None:
    markdown = build_report(FACTS, FIGURES).artifact()
    assert "| Median by pair of zones | 9.07 | 5.60 | 0.40 |" in markdown
    assert "| 2021-01 | learn | 76,518 | 0 | 3 | 1,448 | 1,161 | 73,906 |" in markdown
    assert "| 2021-02 | judge | 64,572 | 0 | 2 | 1,129 | 1,521 | 61,920 |" in markdown
    assert "| Model | models:/nyc-taxi-duration/1 |" in markdown


@pytest.mark.parametrize("generated", [True, False])
def test_made_up_data_are_named_in_plain_words(generated: bool) -> None:
    forms = _forms(build_report(replace(FACTS, generated=generated), FIGURES))
    assert ["The data of this report are generated, not real" in form for form in forms] == [generated] * 3


def test_the_artifact_carries_its_figures() -> None:
    markdown = build_report(FACTS, FIGURES).artifact()
    assert re.findall(r"\]\((.+)\)", markdown) == ["data:image/png;base64,iVBORw0KGgo="]


def test_no_line_of_the_artifact_is_indented() -> None:
    assert not any(line.startswith((" ", "\t")) for line in build_report(FACTS, FIGURES).artifact().splitlines())


def test_the_mail_refers_to_the_figures_that_travel_with_it() -> None:
    assert re.findall(r'src="([^"]+)"', build_report(FACTS, FIGURES).mail_html()) == ["cid:residuals"]


def test_on_disk_the_figures_lie_beside_it() -> None:
    files = report_files(build_report(FACTS, FIGURES))
    assert sorted(files) == [
        "duration-model-report-residuals.png", "duration-model-report.html", "duration-model-report.md",
    ]  # fmt: skip
    (figure,) = re.findall(r"\]\((.+)\)", files["duration-model-report.md"].decode())
    assert files[figure] == PNG
    assert figure in files["duration-model-report.html"].decode()


def test_figures_are_drawn_of_the_validation_trips(validate: Trips) -> None:
    figures = draw_figures(validate, np.full(len(validate), 15.0))
    report = build_report(FACTS, figures)
    assert list(figures) == ["predicted-and-actual", "residuals", "error-by-hour"]
    assert report.artifact().count("data:image/png;base64,") == 3
    assert len(report.artifact()) < 1_000_000


def test_a_terminal_gets_the_scores_as_text() -> None:
    assert score_lines(FACTS.scores).splitlines()[:2] == [
        "Model                              RMSE   MAE    R2",
        "Gradient boosting (this model)     5.39  3.50  0.80",
    ]
