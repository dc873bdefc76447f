"""Earlier reports, read back from their metrics artifacts."""

import json
from typing import Any

from pipelines.duration_prediction.history import JudgedMonth, metric_rows, read_history, up_to


def _table(month: str, rmse: float, colour: str = "green") -> str:
    return json.dumps(metric_rows({"rmse": rmse, "champion_rmse": None, "validate_month": month, "colour": colour}))


def test_rows_have_the_columns_metric_and_value() -> None:
    assert metric_rows({"rmse": 5.1, "fate": "kept"}) == [
        {"metric": "rmse", "value": 5.1},
        {"metric": "fate", "value": "kept"},
    ]


def test_of_several_reports_on_a_month_the_newest_counts_and_months_come_in_order() -> None:
    tables = [_table("2022-03", 5.3), _table("2022-02", 5.2), _table("2022-03", 9.9)]
    history = read_history(tables, "green")
    assert history == (JudgedMonth("2022-02", {"rmse": 5.2}), JudgedMonth("2022-03", {"rmse": 5.3}))
    assert (history[0].get("rmse"), history[0].get("champion_rmse")) == (5.2, None)


def test_other_colours_and_tables_that_are_no_reports_are_passed_over() -> None:
    others: list[Any] = [
        _table("2022-02", 5.2, "yellow"), "not json", None, 7, json.dumps([{"a": 1}]), metric_rows({"r": 1}),
        metric_rows({"rmse": 4.0, "validate_month": "2022-04", "colour": "green"}),
    ]  # fmt: skip
    assert [month.month for month in read_history(others, "green")] == ["2022-04"]


def test_a_month_judged_anew_ends_the_trend_as_it_was_seen_then() -> None:
    february, march, april = (JudgedMonth(f"2022-0{number}", {"rmse": number}) for number in (2, 3, 4))
    again = JudgedMonth("2022-03", {"rmse": 3.3})
    assert up_to((february, march, april), again) == (february, again)
    assert up_to((), april) == (april,)
