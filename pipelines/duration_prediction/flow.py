"""The monthly job: fetch the months, learn, judge, register, publish and mail. Only wiring; the work is elsewhere."""

import os
import platform
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import sklearn
from sklearn.pipeline import Pipeline

from blocks.aws import S3Bucket
from blocks.mail import EmailServerCredentials, email_send_message
from orchestration import create_markdown_artifact, create_table_artifact, flow, get_run_logger, runtime, task
from pipelines.duration_prediction.config import (
    BUCKET_PREFIX,
    METRICS_KEY,
    REPORT_KEY,
    MonthPlan,
    TrainingConfig,
    plan_months,
)
from pipelines.duration_prediction.data import Trips, load_trips
from pipelines.duration_prediction.evaluation import Metrics, Score, evaluate, score_baselines
from pipelines.duration_prediction.outcome import TrainingOutcome
from pipelines.duration_prediction.registry import (
    RegisteredModel,
    TrainingRecord,
    add_files,
    find_store,
    register_model,
)
from pipelines.duration_prediction.report import (
    GENERATED_WARNING,
    Report,
    ReportFacts,
    build_report,
    draw_figures,
    figure_file,
    write_report,
)
from pipelines.duration_prediction.training import Minutes, fit_model, predict_minutes
from pipelines.errors import PipelineError
from pipelines.tlc import Month

MODEL_SCORE = "Gradient boosting (this model)"
EXAMPLE_ROWS = 5
DEFAULT_TRAINING = TrainingConfig()


@flow(name="duration-prediction")
def duration_prediction(
    train_months: list[str] | None = None,
    validate_month: str | None = None,
    s3_block: str = "aws-s3",
    mail_block: str = "email-server-credentials-block",
    mail_to: str | None = None,
    training: TrainingConfig = DEFAULT_TRAINING,
) -> TrainingOutcome:
    """Learn trip durations from some months, judge the model on a later one, and tell people about it.

    Months are written 2021-01; see `plan_months` for those left out. The report goes to `mail_to`, by default to the
    user of the mail block. Raises PipelineError where the months cannot be used, and the blocks' errors.
    """
    plan = plan_months(train_months, validate_month)
    with tempfile.TemporaryDirectory() as folder:
        months = download_months(s3_block, plan.months, Path(folder))
        train, validate = load(months, plan.train), load(months, (plan.validate,))
    generated = train.generated or validate.generated
    if generated:
        get_run_logger().warning(GENERATED_WARNING)
    model = fit(train, training)
    predicted = predict(model, validate)
    scores = score(train, validate, predicted)
    registered = register(model, record_training(plan, training, scores[0].metrics, train))
    facts = ReportFacts(
        day=date.today(),
        plan=plan,
        scores=scores,
        counts=(*train.counts, *validate.counts),
        generated=generated,
        provenance=provenance(s3_block, registered),
    )
    report = make_report(facts, validate, predicted)
    with tempfile.TemporaryDirectory() as folder:
        write_report(report, Path(folder))
        publish(report, scores[0].metrics)
        keep_report(registered, Path(folder))
        subject = f"Trip durations: RMSE {scores[0].metrics.rmse:.2f} minutes on {plan.validate}"
        mail_report(report, Path(folder), subject, mail_block, mail_to)
    return TrainingOutcome(plan, scores, len(train), len(validate), generated, registered, report)


@task
def download_months(s3_block: str, months: Sequence[Month], folder: Path) -> Path:
    """Fetch the months' files from the bucket; gives the folder that holds them."""
    bucket = S3Bucket.load(s3_block)
    for month in months:
        bucket.download_object_to_path(BUCKET_PREFIX + month.file_name, folder / month.file_name)
    return folder


@task
def load(folder: Path, months: Sequence[Month]) -> Trips:
    """The valid trips of some months."""
    trips = load_trips(folder, months)
    for count in trips.counts:
        get_run_logger().info("%s: kept %s of %s trips.", count.month, f"{count.kept:,}", f"{count.rows:,}")
    return trips


@task
def fit(train: Trips, training: TrainingConfig) -> Pipeline:
    """The fitted model."""
    return fit_model(train, training)


@task
def predict(model: Pipeline, validate: Trips) -> Minutes:
    """The model's minutes for the trips that it is judged on."""
    return predict_minutes(model, validate.frame)


@task
def score(train: Trips, validate: Trips, predicted: Minutes) -> tuple[Score, ...]:
    """The model's metrics, followed by those of the baselines."""
    model = Score(MODEL_SCORE, evaluate(validate.minutes, predicted))
    get_run_logger().info("RMSE %.2f minutes, MAE %.2f, R2 %.3f.", *model.metrics.as_dict().values())
    return (model, *score_baselines(train, validate))


@task
def register(model: Pipeline, record: TrainingRecord) -> RegisteredModel:
    """The model's new version in MLflow."""
    registered = register_model(model, record, find_store(os.environ))
    get_run_logger().info("Registered %s in %s.", registered.model_uri, registered.tracking_uri)
    return registered


@task
def make_report(facts: ReportFacts, validate: Trips, predicted: Minutes) -> Report:
    """The report with its figures."""
    return build_report(facts, draw_figures(validate, predicted))


@task
def publish(report: Report, metrics: Metrics) -> None:
    """Publish the report and the metrics as artifacts."""
    create_markdown_artifact(key=REPORT_KEY, markdown=report.artifact(), description="How good the new model is.")
    rows = [{"metric": name, "value": value} for name, value in metrics.as_dict().items()]
    create_table_artifact(key=METRICS_KEY, table=rows, description="Errors in minutes on the validation month.")


@task
def keep_report(registered: RegisteredModel, folder: Path) -> None:
    """Keep the filed report with the model in MLflow."""
    add_files(registered, folder)


def mail_report(report: Report, folder: Path, subject: str, mail_block: str, mail_to: str | None) -> None:
    """Send the report, with its figures from the folder in which it is filed."""
    credentials = EmailServerCredentials.load(mail_block)
    address = mail_to or credentials.username
    if not address:
        raise PipelineError(f"The mail block {mail_block!r} has no username: say with mail_to who gets the report.")
    email_send_message(
        subject=subject,
        msg=report.mail_html(),
        email_server_credentials=credentials,
        msg_plain=report.mail_text(),
        email_from=credentials.username or address,
        email_to=address,
        inline_images={name: str(folder / figure_file(name)) for name in report.figures},
    )


def record_training(plan: MonthPlan, training: TrainingConfig, metrics: Metrics, train: Trips) -> TrainingRecord:
    """What MLflow is told of this training."""
    return TrainingRecord(
        params={
            **training.model_dump(),
            "train_months": ",".join(map(str, plan.train)),
            "validate_month": str(plan.validate),
            "n_train": len(train),
        },
        metrics=metrics.as_dict(),
        tags={"flow_run": runtime.flow_run.name or "", "generated_data": str(train.generated).lower()},
        example=train.frame.head(EXAMPLE_ROWS),
    )


def provenance(s3_block: str, registered: RegisteredModel) -> dict[str, str]:
    """Where everything came from and went, for the report."""
    return {
        "Flow run": runtime.flow_run.name or "",
        "Months from": f"S3 block {s3_block}, folder {BUCKET_PREFIX}",
        "Model": registered.model_uri,
        "MLflow store": registered.tracking_uri,
        "Made with": f"Python {platform.python_version()}, scikit-learn {sklearn.__version__}",
    }
