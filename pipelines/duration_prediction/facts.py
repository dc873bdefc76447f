"""Everything that a report says, as values, before it is put into words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date

from pipelines.duration_prediction.config import MonthPlan
from pipelines.duration_prediction.data import MonthCounts
from pipelines.duration_prediction.drift import Drift
from pipelines.duration_prediction.evaluation import Evaluation
from pipelines.duration_prediction.fitting import CandidateScore
from pipelines.duration_prediction.history import Cell, JudgedMonth
from pipelines.duration_prediction.metrics import Metrics, Score
from pipelines.duration_prediction.standing import Outcome, Rival
from pipelines.tlc import Colour


@dataclass(frozen=True)
class Findings:
    """What a run found out about a model; `left_out` has a sentence for each baseline that could not be tried."""

    colour: Colour
    plan: MonthPlan
    counts: tuple[MonthCounts, ...]
    generated: bool
    geography: str
    drift: Drift
    evaluation: Evaluation
    baselines: tuple[Score, ...]
    left_out: tuple[str, ...]
    candidates: tuple[CandidateScore, ...]
    rival: Rival | None

    @property
    def metrics(self) -> Metrics:
        """The model's errors on the month that it is judged on."""
        return self.evaluation.metrics

    @property
    def best_baseline(self) -> Score:
        """The best of the models to beat."""
        return min(self.baselines, key=lambda score: score.metrics.rmse)

    @property
    def n_train(self) -> int:
        """Trips learnt from."""
        return sum(count.kept for count in self.counts if count.month != self.plan.validate)

    @property
    def n_validate(self) -> int:
        """Trips judged on."""
        return sum(count.kept for count in self.counts if count.month == self.plan.validate)

    def numbers(self) -> dict[str, float]:
        """The figures by metric, in minutes unless their names say otherwise."""
        rival = {} if self.rival is None else {"champion_rmse": self.rival.metrics.rmse}
        coverage = self.evaluation.coverage
        return {
            **asdict(self.metrics),
            "coverage": coverage.measured,
            "interval_width": coverage.mean_width,
            "baseline_rmse": self.best_baseline.metrics.rmse,
            **rival,
            "n_train": self.n_train,
            "n_validate": self.n_validate,
            "drift_psi_max": max((column.psi for column in self.drift.columns), default=0.0),
        }

    def judged(self) -> JudgedMonth:
        """The judged month as a member of the history."""
        return JudgedMonth(str(self.plan.validate), self.numbers())


@dataclass(frozen=True)
class ReportFacts:
    """All that a report says: the findings, what became of the model, and what they are seen beside."""

    day: date
    found: Findings
    outcome: Outcome
    history: tuple[JudgedMonth, ...]
    provenance: Mapping[str, str]
    zone_names: Mapping[int, str] = field(default_factory=dict)

    def table(self) -> dict[str, Cell]:
        """What the metrics artifact holds: the figures, and which month and model they belong to."""
        return {
            **self.found.numbers(),
            "colour": str(self.found.colour),
            "validate_month": str(self.found.plan.validate),
            "train_months": ",".join(map(str, self.found.plan.train)),
            "geography": self.found.geography,
            "model_uri": self.outcome.model_uri,
            "fate": str(self.outcome.fate),
        }
