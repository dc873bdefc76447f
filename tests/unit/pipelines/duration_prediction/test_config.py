"""The choice of months, and the settings of a training."""

from datetime import UTC, datetime

import pydantic
import pytest

from pipelines.duration_prediction.config import MonthPlan, TrainingConfig, months_from_slot, plan_months, split_months
from pipelines.errors import MonthError
from pipelines.tlc import Month

JANUARY, FEBRUARY, MARCH = Month(2021, 1), Month(2021, 2), Month(2021, 3)


@pytest.mark.parametrize(
    ("train", "validate", "plan"),
    [
        (None, None, MonthPlan((JANUARY,), FEBRUARY)),
        ([], "", MonthPlan((JANUARY,), FEBRUARY)),
        (["2021-01"], None, MonthPlan((JANUARY,), FEBRUARY)),
        (["2021-02", "2021-01"], None, MonthPlan((JANUARY, FEBRUARY), MARCH)),
        (None, "2021-03", MonthPlan((FEBRUARY,), MARCH)),
        (["2021-01"], "2021-03", MonthPlan((JANUARY,), MARCH)),
        (["2021-12"], None, MonthPlan((Month(2021, 12),), Month(2022, 1))),
    ],
)
def test_months_that_are_left_out_are_filled_in(train: list[str] | None, validate: str | None, plan: MonthPlan) -> None:
    assert plan_months(train, validate) == plan


def test_a_plan_lists_its_months_with_the_judging_one_last() -> None:
    assert plan_months(["2021-01", "2021-02"], "2021-03").months == (JANUARY, FEBRUARY, MARCH)


def test_a_month_named_twice_is_refused() -> None:
    with pytest.raises(MonthError, match="training month 2021-01 is named twice"):
        plan_months(["2021-01", "2021-02", "2021-01"], None)


def test_a_month_is_not_judged_on_what_it_taught() -> None:
    with pytest.raises(MonthError, match="2021-01 cannot be both learnt from and judged on"):
        plan_months(["2021-01", "2021-02"], "2021-01")


@pytest.mark.parametrize(
    ("text", "members"),
    [("2021-01", ["2021-01"]), ("2021-01, 2020-12", ["2021-01", "2020-12"]), ("2021-01,,", ["2021-01"]), (" ", [])],
)
def test_a_list_is_separated_by_commas(text: str, members: list[str]) -> None:
    assert split_months(text) == members


@pytest.mark.parametrize(
    ("slot", "n_months", "lag", "plan"),
    [
        (datetime(2021, 4, 3, 9, tzinfo=UTC), 1, 2, MonthPlan((JANUARY,), FEBRUARY)),
        (datetime(2021, 2, 28), 1, 0, MonthPlan((JANUARY,), FEBRUARY)),
        (datetime(2021, 3, 31), 2, 1, MonthPlan((Month(2020, 12), JANUARY), FEBRUARY)),
        (datetime(2021, 1, 1), 1, 2, MonthPlan((Month(2020, 10),), Month(2020, 11))),
        (datetime(2021, 5, 3), 3, 1, MonthPlan((JANUARY, FEBRUARY, MARCH), Month(2021, 4))),
    ],
)
def test_a_slot_says_which_months(slot: datetime, n_months: int, lag: int, plan: MonthPlan) -> None:
    assert months_from_slot(slot, n_months, lag) == plan


def test_settings_are_a_value() -> None:
    assert TrainingConfig() == TrainingConfig(seed=42)
    assert hash(TrainingConfig()) == hash(TrainingConfig())
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        TrainingConfig().seed = 1


@pytest.mark.parametrize("wrong", [{"learning_rate": 0}, {"folds": 1}, {"max_iter": 0}, {"trees": 100}])
def test_settings_that_cannot_train_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(pydantic.ValidationError, match=next(iter(wrong))):
        TrainingConfig.model_validate(wrong)
