"""What is written down of a training: for MLflow, and for the report's last section."""

from collections.abc import Sequence

from orchestration import runtime
from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.drift import profile_trips
from pipelines.duration_prediction.facts import Findings
from pipelines.duration_prediction.fingerprint import code_version, fingerprint, git_commit, library_versions
from pipelines.duration_prediction.kept import kept_files
from pipelines.duration_prediction.registry import FLOW_RUN_TAG, DataFile, RegisteredModel, TrainingRecord
from pipelines.duration_prediction.wiring.months import Downloaded
from pipelines.duration_prediction.wiring.runs import run_facts

EXAMPLE_ROWS = 5
# Settings that decide what becomes of a model, not what it is.
NO_PART_OF_THE_MODEL = ("promotion_margin", "drift", "n_months", "publication_lag", "days_to_wait")


def model_fingerprint(files: Sequence[DataFile], training: TrainingConfig) -> str:
    """What the version of the registered model is known by."""
    inputs = {f"{file.used_to} {file.name}": file.sha256 for file in files}
    return fingerprint(inputs, training.model_dump(mode="json", exclude=set(NO_PART_OF_THE_MODEL)), code_version())


def record_training(
    found: Findings, training: TrainingConfig, files: Sequence[DataFile], train: Trips
) -> TrainingRecord:
    """What MLflow is told of this training."""
    months = {"train_months": ",".join(map(str, found.plan.train)), "validate_month": str(found.plan.validate)}
    return TrainingRecord(
        colour=training.colour,
        fingerprint=model_fingerprint(files, training),
        params={
            **training.model_dump(mode="json"),
            **months,
            "geography": found.geography,
            "chosen": "; ".join(each.name for each in found.candidates if each.chosen),
            **{f"sha256_{file.name}": file.sha256 for file in files},
        },
        metrics=found.numbers(),
        tags={
            FLOW_RUN_TAG: str(runtime.flow_run.id or ""),
            "flow_run": runtime.flow_run.name or "",
            **months,
            "generated_data": str(found.generated).lower(),
            "git_commit": git_commit() or "",
            "code_version": code_version(),
            "rmse": f"{found.metrics.rmse:.4f}",
            **library_versions(),
        },
        example=train.frame.head(EXAMPLE_ROWS),
        inputs=files,
        kept=kept_files(found.candidates, profile_trips(train)),
    )


def provenance(got: Downloaded, registered: RegisteredModel, record: TrainingRecord) -> dict[str, str]:
    """Where everything came from and went, for the report."""
    files = {
        f"{file.name} ({file.used_to})": f"{file.source}, SHA-256 {file.sha256[:16]}..." for file in record.inputs
    }
    made = ", ".join(f"{name} {release}" for name, release in library_versions().items())
    return {
        **run_facts(),
        **files,
        "Model": registered.model_uri,
        "MLflow store": registered.tracking_uri,
        "MLflow run": registered.run_id,
        "Git commit": git_commit() or "not known",
        "Code version": code_version(),
        "Made with": made,
    }
