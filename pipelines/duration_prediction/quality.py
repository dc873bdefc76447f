"""What a month's file held, rule by rule, as the rows of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.duration_prediction.config import MAX_MINUTES, MIN_MINUTES
from pipelines.duration_prediction.data import MAX_CREDIBLE_MILES, MonthCounts
from pipelines.tlc import Month

REMOVED = {
    "missing": "without time, zone or distance",
    "stray": "of another month",
    "too_short": f"under {MIN_MINUTES:g} minute",
    "too_long": f"over {MAX_MINUTES:g} minutes",
}
NOTED = {
    "no_distance": "without miles",
    "absurd_distance": f"over {MAX_CREDIBLE_MILES:g} miles",
    "unknown_zone": "zone unknown",
    "no_passengers": "passengers unknown",
}


@dataclass(frozen=True)
class QualityRow:
    """A month in the table: `removed` and `noted` say of each rule, in words, how many rows it met."""

    month: Month
    judged: bool
    rows: int
    removed: Mapping[str, int]
    kept: int
    noted: Mapping[str, int]


def quality_table(counts: Sequence[MonthCounts], judged: Month | None = None) -> tuple[QualityRow, ...]:
    """One row a month; `judged` is the month that the model is judged on, not learnt from."""
    return tuple(
        QualityRow(
            month=count.month,
            judged=count.month == judged,
            rows=count.rows,
            removed={words: getattr(count, rule) for rule, words in REMOVED.items()},
            kept=count.kept,
            noted={words: getattr(count, rule) for rule, words in NOTED.items()},
        )
        for count in counts
    )
