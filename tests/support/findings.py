"""What a run may have found, made up: facts for tests of the report."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd

from pipelines.duration_prediction.bootstrap import Interval
from pipelines.duration_prediction.config import plan_months
from pipelines.duration_prediction.data import MonthCounts
from pipelines.duration_prediction.drift import ColumnDrift, Drift, Level
from pipelines.duration_prediction.evaluation import Evaluation, WorstTrip
from pipelines.duration_prediction.facts import Findings, ReportFacts
from pipelines.duration_prediction.fitting import CandidateScore
from pipelines.duration_prediction.history import JudgedMonth
from pipelines.duration_prediction.intervals import Coverage
from pipelines.duration_prediction.metrics import Metrics, Score
from pipelines.duration_prediction.slices import Slice
from pipelines.duration_prediction.standing import Fate, Outcome, Rival
from pipelines.tlc import Colour, Month

PLAN = plan_months(["2021-01"], "2021-02")
METRICS = Metrics(rmse=5.128, mae=3.4, r2=0.82, p50=2.31, p90=7.9, bias=-0.12)
RIVAL = Rival("3", (Month(2020, 12),), Metrics(5.31, 3.5, 0.8, 2.4, 8.1, 0.2), Interval(-0.21, -0.18, -0.15, 0.95))
EVALUATION = Evaluation(
    metrics=METRICS,
    by_hour=tuple(Slice(f"{hour:02}", 100 + hour, METRICS) for hour in range(24)),
    by_distance=(Slice("0 to 1 miles", 1_200, METRICS),),
    by_borough=(Slice("Queens", 2_300, METRICS),),
    coverage=Coverage(0.9, 0.897, 14.2),
    worst=(WorstTrip(pd.Timestamp(2021, 2, 5, 17, 30), 74, 132, 12.34, 9.1, 55.2),),
)
CALM = Drift(64_572, 76_518.0, Level.NONE, (ColumnDrift("trip_distance", 0.012, 0.0, 0.0, Level.NONE),))
SHIFTED = Drift(64_572, 76_518.0, Level.NONE, (ColumnDrift("VendorID", 0.4, 0.42, 0.4, Level.FLAG),))
FINDINGS = Findings(
    colour=Colour.GREEN,
    plan=PLAN,
    counts=(
        MonthCounts(PLAN.train[0], 76_518, 0, 3, 1_448, 1_161),
        MonthCounts(PLAN.validate, 64_572, 0, 2, 1_129, 1_521),
    ),
    generated=False,
    geography="asset",
    drift=CALM,
    evaluation=EVALUATION,
    baselines=(
        Score("Median by pair of zones", Metrics(9.07, 5.6, 0.4, 3.0, 9.0, 0.0)),
        Score("Linear model on pair and distance", Metrics(7.76, 5.3, 0.6, 3.0, 9.0, 0.0)),
    ),
    left_out=(),
    candidates=(
        CandidateScore("Mean of the best", 5.2, 60_000, 500, True),
        CandidateScore("Boosting, 31 leaves", 5.3, 60_000, 250, True),
        CandidateScore("Boosting, 63 leaves", 5.4, 15_000, 100, False),
    ),
    rival=RIVAL,
)
EARLIER = (JudgedMonth("2021-01", {"rmse": 5.3, "mae": 3.6, "baseline_rmse": 7.9, "n_validate": 70_000.0}),)


def make_facts(found: Findings = FINDINGS, **changes: Any) -> ReportFacts:
    """Facts for a report, some of them changed."""
    given: dict[str, Any] = {
        "day": date(2021, 4, 3),
        "found": found,
        "outcome": Outcome("models:/nyc-taxi-duration/4", False, Fate.PROMOTED, "Promoted: better by 3.4%."),
        "history": EARLIER,
        "provenance": {"Flow run": "light-boar", "Model": "models:/nyc-taxi-duration/4"},
        "zone_names": {74: "East Harlem North"},
    }
    return ReportFacts(**{**given, **changes})
