"""What a training leaves behind, as values: for the caller of the flow, for files and for other programs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.duration_prediction.config import MonthPlan
from pipelines.duration_prediction.evaluation import Metrics, Score
from pipelines.duration_prediction.registry import RegisteredModel
from pipelines.duration_prediction.report import REPORT_FILE, Report, report_files, score_lines
from pipelines.files import write_together

METRICS_FILE = "metrics.json"


@dataclass(frozen=True)
class TrainingOutcome:
    """A trained, judged and registered model with its report; `scores` begins with the model's own."""

    plan: MonthPlan
    scores: tuple[Score, ...]
    n_train: int
    n_validate: int
    generated: bool
    registered: RegisteredModel
    report: Report

    @property
    def metrics(self) -> Metrics:
        return self.scores[0].metrics

    def table(self) -> str:
        """The model's errors beside the baselines', in minutes, for a terminal."""
        return score_lines(self.scores)

    def summary(self, data_source: str, seconds: float) -> Mapping[str, Any]:
        """What other programs want to know; `data_source` says where months that are not made up came from."""
        return {
            **self.metrics.as_dict(),
            "train_months": [str(month) for month in self.plan.train],
            "validate_month": str(self.plan.validate),
            "n_train": self.n_train,
            "n_validate": self.n_validate,
            "model_uri": self.registered.model_uri,
            "tracking_uri": self.registered.tracking_uri,
            "data_source": "generated" if self.generated else data_source,
            "seconds": round(seconds, 3),
        }

    def write(self, folder: Path, data_source: str, seconds: float) -> Path:
        """File the report, its figures and the metrics in a folder, all or none of them; gives the report's path."""
        summary = json.dumps(self.summary(data_source, seconds), indent=2)
        write_together(folder, {**report_files(self.report), METRICS_FILE: f"{summary}\n".encode()})
        return folder / REPORT_FILE
