"""The names that the job and its surroundings agree on, the choice of months, and the settings of a training."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, Field

from pipelines.errors import MonthError
from pipelines.tlc import Colour, Month

BUCKET_NAME = "nyc-taxi-trips-data"
BUCKET_PREFIX = "data/"
CENTROIDS_FILE = "taxi_zone_centroids.csv"
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


def months_from_slot(slot: datetime, n_months: int, lag: int) -> MonthPlan:
    """The months of a scheduled run: judge on the one `lag` months before the slot's, learn from `n_months` before it.

    With a lag of 2 the slot of 3 April judges on February, which the TLC publishes about two months late.
    """
    judged = Month(slot.year, slot.month)
    for _ in range(lag):
        judged = judged.previous()
    train = [judged.previous()]
    while len(train) < n_months:
        train.insert(0, train[0].previous())
    return MonthPlan(tuple(train), judged)


class DriftLimits(BaseModel):
    """From where on a shift of a month is worth a word (flag), and from where on it stops the run (stop)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flag_psi: float = Field(default=0.25, gt=0, description="Population stability index of a column.")
    stop_psi: float = Field(default=2.0, gt=0)
    flag_rows: float = Field(default=1.5, ge=1, description="How many times more or fewer rows than a training month.")
    stop_rows: float = Field(default=5.0, ge=1)
    flag_missing: float = Field(default=0.1, gt=0, le=1, description="Change of a column's share of missing values.")
    stop_missing: float = Field(default=0.5, gt=0, le=1)


class TrainingConfig(BaseModel):
    """What a training may do: its data, the candidates with their budget, and what a promotion asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    colour: Colour = Colour.GREEN
    n_months: int = Field(default=1, ge=1, description="Training months where a slot decides which.")
    publication_lag: int = Field(default=2, ge=0, description="Months from a slot back to the newest published month.")
    days_to_wait: int = Field(default=30, ge=0, description="Days after a slot until which its months may come.")
    use_distance: bool = Field(default=True, description="Whether the trip's distance is a feature.")

    learning_rate: float = Field(default=0.12, gt=0, le=1)
    max_iter: int = Field(default=66, ge=1, description="Most trees of a gradient boosting.")
    leaves: tuple[int, ...] = Field(default=(63, 255), min_length=1, description="Leaves a tree, to choose among.")
    feature_share: float = Field(default=0.4, gt=0, le=1, description="Share of the features that a split may see.")
    tail_share: float = Field(default=0.2, gt=0, lt=1, description="Share of the trips, the latest, that judge.")
    tail_trips: int = Field(default=20_000, ge=1, description="Most trips that judge.")
    screening_trips: int = Field(default=16_000, ge=1, description="Trips that every candidate learns from.")
    screening_trees: int = Field(default=15, ge=1, description="Trees of every candidate.")
    tuning_trips: int = Field(default=40_000, ge=1, description="Trips that the best candidates learn from.")
    min_samples_leaf: int = Field(default=30, ge=1)
    l2_regularization: float = Field(default=0.0, ge=0)
    most_trips: int = Field(
        default=1_000_000, ge=50, description="Most trips to learn from; of more, evenly spread ones."
    )
    folds: int = Field(default=5, ge=2, description="Folds in which the mean duration of a zone is estimated.")
    seed: int = Field(default=42, ge=0)

    coverage: float = Field(default=0.9, gt=0, lt=1, description="Share of trips that a prediction interval promises.")
    promotion_margin: float = Field(default=0.0, ge=0, lt=1, description="Share by which a champion must be beaten.")
    drift: DriftLimits = DriftLimits()
