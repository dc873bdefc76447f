"""The names that the job and its surroundings agree on, the choice of months, and the settings of a training."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field

from pipelines.errors import MonthError
from pipelines.tlc import Month

BUCKET_NAME = "nyc-taxi-trips-data"
BUCKET_PREFIX = "data/"
EXPERIMENT_NAME = "nyc-taxi-duration"
MODEL_NAME = "nyc-taxi-duration"
REPORT_KEY = "duration-model-report"
METRICS_KEY = "duration-model-metrics"

MIN_MINUTES = 1.0
MAX_MINUTES = 60.0

DEFAULT_TRAIN_MONTH = Month(2021, 1)


@dataclass(frozen=True)
class MonthPlan:
    """Which months a model learns from, and the one that it is judged on."""

    train: tuple[Month, ...]
    validate: Month

    @property
    def months(self) -> tuple[Month, ...]:
        return (*self.train, self.validate)


def split_months(text: str) -> list[str]:
    """The members of a comma-separated list such as "2021-01, 2020-12"."""
    return [part.strip() for part in text.split(",") if part.strip()]


def plan_months(train: Sequence[str] | None, validate: str | None) -> MonthPlan:
    """The months of a run; what is left out is filled in: judge on the month after, learn from the month before.

    Without either, the months of the tutorial. Raises MonthError if a month cannot be read, is named twice, or is
    both learnt from and judged on.
    """
    named = sorted(Month.parse(text) for text in train or ())
    twice = [month for month, after in pairwise(named) if month == after]
    if twice:
        raise MonthError(f"The training month {twice[0]} is named twice: name each month once.")
    judged = Month.parse(validate) if validate else (named[-1] if named else DEFAULT_TRAIN_MONTH).next()
    if judged in named:
        raise MonthError(f"{judged} cannot be both learnt from and judged on: choose another month for one of the two.")
    return MonthPlan(tuple(named) or (judged.previous(),), judged)


class TrainingConfig(BaseModel):
    """The settings of the gradient boosting and of the encoding of zones in front of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(default=0.08, gt=0, le=1)
    max_iter: int = Field(default=300, ge=1, description="Number of trees.")
    max_leaf_nodes: int = Field(default=63, ge=2)
    min_samples_leaf: int = Field(default=30, ge=1)
    l2_regularization: float = Field(default=0.0, ge=0)
    folds: int = Field(default=5, ge=2, description="Folds in which the mean duration of a zone is estimated.")
    seed: int = Field(default=42, ge=0)
