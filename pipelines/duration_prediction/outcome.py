"""What a training leaves behind, as values: for the caller of the flow, for files and for other programs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.duration_prediction.config import MonthPlan
from pipelines.duration_prediction.facts import ReportFacts
from pipelines.duration_prediction.metrics import Metrics
from pipelines.duration_prediction.registry import RegisteredModel
from pipelines.duration_prediction.report import REPORT_FILE, Report, report_files, verdict_lines
from pipelines.files import write_together

METRICS_FILE = "metrics.json"


@dataclass(frozen=True)
class TrainingOutcome:
    """A trained, judged and registered model with its report."""

    facts: ReportFacts
    registered: RegisteredModel
    report: Report

    @property
    def metrics(self) -> Metrics:
        return self.facts.found.metrics

    @property
    def plan(self) -> MonthPlan:
        return self.facts.found.plan

    @property
    def generated(self) -> bool:
        return self.facts.found.generated

    def table(self) -> str:
        """The verdict, and the model's errors beside the champion's and the baselines', in minutes, for a terminal."""
        return verdict_lines(self.facts)

    def summary(self, data_source: str, seconds: float) -> Mapping[str, Any]:
        """What other programs want to know; `data_source` says where months that are not made up came from."""
        found, outcome = self.facts.found, self.facts.outcome
        return {
            **found.numbers(),
            "colour": str(found.colour),
            "train_months": [str(month) for month in self.plan.train],
            "validate_month": str(self.plan.validate),
            "geography": found.geography,
            "fate": str(outcome.fate),
            "reused": outcome.reused,
            "drift": list(found.drift.flagged),
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
