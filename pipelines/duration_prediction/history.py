"""The months that were judged before, as their metrics artifacts tell of them: what a trend is drawn from.

A metrics artifact is a table of two columns, metric and value: numbers, which a page can draw over the versions of the
artifact, and a few words that say which month and model they belong to.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

METRIC, VALUE = "metric", "value"
MONTH, COLOUR = "validate_month", "colour"

Cell = float | int | str | None


@dataclass(frozen=True)
class JudgedMonth:
    """The validation month of a report, such as 2021-02, and the numbers of that report by metric."""

    month: str
    numbers: Mapping[str, float]

    def get(self, metric: str) -> float | None:
        """A number of the report; None if it had none of that name."""
        return self.numbers.get(metric)


def metric_rows(values: Mapping[str, Cell]) -> list[dict[str, Cell]]:
    """The rows of a metrics artifact."""
    return [{METRIC: name, VALUE: value} for name, value in values.items()]


def read_history(tables: Iterable[Any], colour: str) -> tuple[JudgedMonth, ...]:
    """The judged months of a colour in the order of time, from artifacts' data, newest first.

    Of several reports on one month the newest counts; tables that are no report's are passed over.
    """
    months: dict[str, JudgedMonth] = {}
    for table in tables:
        values = _values(table)
        month = values.get(MONTH)
        if isinstance(month, str) and values.get(COLOUR) == colour and month not in months:
            numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
            months[month] = JudgedMonth(month, numbers)
    return tuple(months[month] for month in sorted(months))


def up_to(history: Sequence[JudgedMonth], month: JudgedMonth) -> tuple[JudgedMonth, ...]:
    """The history as it looks with a month just judged, which takes the place of an earlier report on it."""
    return (*(each for each in history if each.month < month.month), month)


def _values(table: Any) -> Mapping[str, Any]:
    """The values by metric; none where the data are no such table."""
    try:
        rows = json.loads(table) if isinstance(table, str) else table
        return {row[METRIC]: row[VALUE] for row in rows}
    except (ValueError, TypeError, KeyError):
        return {}
