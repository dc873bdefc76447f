"""The report `duration-model-report`: one document in every form in which it is read."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.duration_prediction import sections
from pipelines.duration_prediction.config import REPORT_KEY
from pipelines.duration_prediction.document import Document, Table, to_html, to_markdown, to_text
from pipelines.duration_prediction.facts import ReportFacts

REPORT_FILE = f"{REPORT_KEY}.md"


@dataclass(frozen=True)
class Report:
    """A document and its figures (PNG by name), to be published, mailed or filed."""

    subject: str
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
    document = (
        *sections.opening(facts),
        *sections.comparison(facts.found),
        *sections.trend(facts, figures),
        *sections.changes(facts),
        *sections.errors_by_slice(facts.found, figures),
        *sections.worst_trips(facts),
        *sections.data_quality(facts.found),
        *sections.training(facts.found),
        *sections.provenance(facts),
    )
    return Report(subject(facts), document, dict(figures))


def subject(facts: ReportFacts) -> str:
    """The subject of the mail: what one would want to know of it on a telephone."""
    flagged = " (drift flagged)" if facts.found.drift.flagged else ""
    return (
        f"Trip durations {facts.found.plan.validate}: RMSE {facts.found.metrics.rmse:.2f} minutes, "
        f"{facts.outcome.fate}{flagged}"
    )


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


def verdict_lines(facts: ReportFacts) -> str:
    """The verdict and the table of models as plain text, for a terminal."""
    tables = [block for block in sections.comparison(facts.found) if isinstance(block, Table)]
    return f"{sections.verdict(facts)}\n{facts.outcome.reason}\n\n{to_text(tuple(tables))}"
