"""The mail that tells of a run that failed: what, why, and the end of its log."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.duration_prediction.document import Document, Heading, Paragraph, Preformatted, Table

LAST_LINES = 50
LONGEST_LINE = 2_000


@dataclass(frozen=True)
class Failure:
    """A flow run that failed; `lines` are the last of its log."""

    flow: str
    run: str
    state: str
    reason: str
    lines: Sequence[str]

    @property
    def subject(self) -> str:
        return f"Trip durations: the run {self.run} ended as {self.state}"

    def document(self) -> Document:
        """The mail's contents."""
        lines = (line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} [...]" for line in self.lines)
        return (
            Heading(f"{self.flow}: {self.state}", 1),
            Table(("What", "Value"), (("Flow run", self.run), ("State", self.state), ("Reason", self.reason))),
            Heading(f"The last lines of its log (at most {LAST_LINES})"),
            Preformatted("\n".join(lines)) if self.lines else Paragraph("It logged nothing."),
        )
