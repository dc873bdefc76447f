"""The report `duration-model-report`: what was trained on what, how good it is, and where it all came from."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pipelines.duration_prediction.config import MAX_MINUTES, MIN_MINUTES, REPORT_KEY, MonthPlan
from pipelines.duration_prediction.data import MonthCounts, Trips
from pipelines.duration_prediction.document import (
    Block,
    Document,
    Figure,
    Heading,
    Paragraph,
    Table,
    to_html,
    to_markdown,
    to_text,
)
from pipelines.duration_prediction.evaluation import Score, mean_absolute_error_by_hour
from pipelines.duration_prediction.plots import plot_error_by_hour, plot_predicted, plot_residuals
from pipelines.duration_prediction.training import Minutes

GENERATED_WARNING = (
    "The data of this report are generated, not real: random trips in the TLC's format, made because no real months "
    "were at hand. The figures show that the job works and say nothing about New York's taxis."
)
REPORT_FILE = f"{REPORT_KEY}.md"
CAPTIONS = {
    "predicted-and-actual": "Predicted and actual minutes of the validation trips; the line is a perfect prediction.",
    "residuals": "Predicted minus actual minutes of the validation trips.",
    "error-by-hour": "Mean absolute error in minutes by the hour of pick-up.",
}


@dataclass(frozen=True)
class ReportFacts:
    """Everything that the report says, apart from its figures; `scores` begins with the model's own."""

    day: date
    plan: MonthPlan
    scores: tuple[Score, ...]
    counts: tuple[MonthCounts, ...]
    generated: bool
    provenance: Mapping[str, str]


@dataclass(frozen=True)
class Report:
    """A document and its figures (PNG by name), to be published, mailed or filed."""

    document: Document
    figures: Mapping[str, bytes]

    def artifact(self) -> str:
        """Markdown in one piece, its figures inside."""
        return to_markdown(self.document, self._data_uri)

    def mail_html(self) -> str:
        """HTML whose figures travel along in the mail, each under its name as content id."""
        return to_html(self.document, lambda name: f"cid:{name}")

    def mail_text(self) -> str:
        return to_text(self.document)

    def _data_uri(self, name: str) -> str:
        return "data:image/png;base64," + base64.b64encode(self.figures[name]).decode("ascii")


def build_report(facts: ReportFacts, figures: Mapping[str, bytes]) -> Report:
    """Put the facts into words, tables and figures."""
    blocks: list[Block] = [Heading("Duration model report", 1), Heading("Summary"), Paragraph(_verdict(facts))]
    if facts.generated:
        blocks.append(Paragraph(GENERATED_WARNING, strong=True))
    blocks += [
        Heading("RMSE"),
        Table(("Date", "RMSE"), ((facts.day.isoformat(), f"{facts.scores[0].metrics.rmse:.2f}"),)),
        Heading("Against the baselines"),
        Paragraph(f"Errors on the trips of {facts.plan.validate}: RMSE and MAE in minutes."),
        _score_table(facts.scores),
        Heading("Where it errs"),
        *(Figure(name, CAPTIONS[name]) for name in figures),
        Heading("Data"),
        Paragraph(f"Kept are trips of {MIN_MINUTES:g} to {MAX_MINUTES:g} minutes that began in their file's month."),
        _count_table(facts),
        Heading("Provenance"),
        Table(("What", "Value"), tuple(facts.provenance.items())),
    ]
    return Report(tuple(blocks), dict(figures))


def draw_figures(validate: Trips, predicted: Minutes) -> dict[str, bytes]:
    """The report's figures as PNG, by name, in the order in which they are shown."""
    return {
        "predicted-and-actual": plot_predicted(validate.minutes, predicted),
        "residuals": plot_residuals(validate.minutes, predicted),
        "error-by-hour": plot_error_by_hour(mean_absolute_error_by_hour(validate, predicted)),
    }


def report_files(report: Report) -> dict[str, bytes]:
    """The report as markdown and HTML with its figures beside them, by file name."""
    return {
        **{figure_file(name): png for name, png in report.figures.items()},
        f"{REPORT_KEY}.html": to_html(report.document, figure_file).encode(),
        REPORT_FILE: to_markdown(report.document, figure_file).encode(),
    }


def figure_file(name: str) -> str:
    """The file name of a figure, beside the report's."""
    return f"{REPORT_KEY}-{name}.png"


def score_lines(scores: tuple[Score, ...]) -> str:
    """The table of scores as plain text, for a terminal."""
    return to_text((_score_table(scores),))


def _verdict(facts: ReportFacts) -> str:
    model, *baselines = facts.scores
    best = min(baselines, key=lambda score: score.metrics.rmse)
    gain = best.metrics.rmse - model.metrics.rmse
    against = (
        f"{gain:.2f} minutes better than the best baseline"
        if gain > 0
        else f"{-gain:.2f} minutes worse than the best baseline, so not worth deploying"
    )
    return (
        f"Duration prediction: learnt from {', '.join(map(str, facts.plan.train))}, the model is off by an RMSE of "
        f"{model.metrics.rmse:.2f} minutes on the trips of {facts.plan.validate}; that is {against} "
        f"({best.name}: {best.metrics.rmse:.2f})."
    )


def _score_table(scores: tuple[Score, ...]) -> Table:
    rows = ((score.name, *(f"{value:.2f}" for value in score.metrics.as_dict().values())) for score in scores)
    return Table(("Model", "RMSE", "MAE", "R2"), tuple(rows))


def _count_table(facts: ReportFacts) -> Table:
    columns = ("Month", "Used to", "Rows", "Incomplete", "Other month", "Too short", "Too long", "Kept")
    rows = (
        (
            str(count.month),
            "judge" if count.month == facts.plan.validate else "learn",
            *(f"{n:,}" for n in (count.rows, count.missing, count.stray, count.too_short, count.too_long, count.kept)),
        )
        for count in facts.counts
    )
    return Table(columns, tuple(rows))
