"""The monthly job: fetch the months, learn, judge, register, publish and mail. Only wiring; the work is elsewhere."""

import os
import platform
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import sklearn
from sklearn.pipeline import Pipeline

from blocks.aws import S3Bucket
from blocks.mail import EmailServerCredentials, email_send_message, send
from blocks.mail_message import Letter
from orchestration import (
    create_markdown_artifact,
    create_table_artifact,
    flow,
    get_client,
    get_run_logger,
    runtime,
    task,
)
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.filters import LogFilter
from orchestration.domain.schemas.runs import FlowRun, Log
from orchestration.domain.settings import read_settings
from orchestration.domain.states import State
from orchestration.sdk.flows import Flow
from orchestration.sdk.logs import FLOW_LOGGER
from pipelines.duration_prediction.bucket import FILE_PREFIX, find_months, forget_old_files, mark_used
from pipelines.duration_prediction.config import (
    BUCKET_PREFIX,
    METRICS_KEY,
    REPORT_KEY,
    MonthPlan,
    TrainingConfig,
    plan_months,
)
from pipelines.duration_prediction.data import Trips, load_trips
from pipelines.duration_prediction.document import to_html, to_text
from pipelines.duration_prediction.evaluation import Metrics, Score, evaluate, score_baselines
from pipelines.duration_prediction.failure import LAST_LINES, Failure
from pipelines.duration_prediction.outcome import TrainingOutcome
from pipelines.duration_prediction.registry import (
    FLOW_RUN_TAG,
    RegisteredModel,
    TrainingRecord,
    add_files,
    getting_ready,
    register_model,
)
from pipelines.duration_prediction.report import (
    GENERATED_WARNING,
    Report,
    ReportFacts,
    build_report,
    draw_figures,
    figure_file,
    report_files,
)
from pipelines.duration_prediction.store import Store, find_store
from pipelines.duration_prediction.training import Minutes, fit_model, predict_minutes
from pipelines.errors import PipelineError
from pipelines.tlc import Month

MODEL_SCORE = "Gradient boosting (this model)"
EXAMPLE_ROWS = 5
DEFAULT_TRAINING = TrainingConfig()


class Mailbox(NamedTuple):
    """A mail server, who writes, and who gets what is written."""

    server: EmailServerCredentials
    sender: str
    address: str


def mail_failure(failed: Flow[Any, Any], flow_run: FlowRun, state: State) -> None:
    """Tell people that a run failed; where that fails as well, the log says so and the first failure stands."""
    given = flow_run.parameters
    try:
        mailbox = open_mailbox(given["mail_block"], given["mail_to"])
        failure = Failure(failed.name, flow_run.name, state.name, state.message or "", last_log_lines(flow_run.id))
        html = to_html(failure.document(), str)
        letter = Letter(failure.subject, html, mailbox.sender, to_text(failure.document()), mailbox.address)
        send(mailbox.server, letter)
    except Exception as error:
        fields = {"prefix": f"Flow run {flow_run.name!r} - ", "flow_run_id": flow_run.id, "task_run_id": None}
        FLOW_LOGGER.error("The mail that tells of this failure could not be sent: %s", error, extra=fields)


@flow(name="duration-prediction", on_failure=[mail_failure])
def duration_prediction(
    train_months: list[str] | None = None,
    validate_month: str | None = None,
    s3_block: str = "aws-s3",
    mail_block: str = "email-server-credentials-block",
    mail_to: str | None = None,
    training: TrainingConfig = DEFAULT_TRAINING,
) -> TrainingOutcome:
    """Learn trip durations from some months, judge the model on a later one, and tell people about it.

    Months are written 2021-01; see `plan_months` for those left out. The report, or the news of a failure, goes to
    `mail_to`, by default to the user of the mail block. Raises PipelineError where the months cannot be used, and the
    blocks' errors.
    """
    plan = plan_months(train_months, validate_month)
    mailbox = open_mailbox(mail_block, mail_to)
    months = download_months(s3_block, plan.months)
    train, validate = load(months, plan.train), load(months, (plan.validate,))
    generated = train.generated or validate.generated
    if generated:
        get_run_logger().warning(GENERATED_WARNING)
    store = find_store(os.environ, home())
    with getting_ready(store):
        model = fit(train, training)
    predicted = predict(model, validate)
    scores = score(train, validate, predicted)
    registered = register(model, record_training(plan, training, scores[0].metrics, train), store)
    facts = ReportFacts(
        day=date.today(),
        plan=plan,
        scores=scores,
        counts=(*train.counts, *validate.counts),
        generated=generated,
        provenance=provenance(s3_block, registered),
    )
    report = make_report(facts, validate, predicted)
    publish(report, scores[0].metrics)
    keep_report(registered, report)
    mail_report(report, f"Trip durations: RMSE {scores[0].metrics.rmse:.2f} minutes on {plan.validate}", mailbox)
    return TrainingOutcome(plan, scores, len(train), len(validate), generated, registered, report)


@task
def download_months(s3_block: str, months: Sequence[Month]) -> dict[Month, Path]:
    """Fetch the months from the bucket, but for those that are here already, unchanged; gives each one's file."""
    bucket = S3Bucket.load(s3_block)
    cache, now = home() / "cache" / "months", time.time()
    stored = find_months(bucket.list_objects(BUCKET_PREFIX + FILE_PREFIX), months, bucket.bucket_name)
    fetched = [each for each in stored if not each.is_kept(cache)]
    for each in fetched:
        bucket.download_object_to_path(each.path, each.file(cache))
    for each in stored:
        mark_used(each.file(cache), now)
    forget_old_files(cache, now)
    get_run_logger().info("Fetched %d of %d months; the others were here already.", len(fetched), len(stored))
    return {each.month: each.file(cache) for each in stored}


@task
def load(files: Mapping[Month, Path], months: Sequence[Month]) -> Trips:
    """The valid trips of some months."""
    trips = load_trips({month: files[month] for month in months})
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
def register(model: Pipeline, record: TrainingRecord, store: Store) -> RegisteredModel:
    """The model's new version in MLflow."""
    registered = register_model(model, record, store, is_over)
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
def keep_report(registered: RegisteredModel, report: Report) -> None:
    """Keep the filed report with the model in MLflow."""
    add_files(registered, report_files(report))


def open_mailbox(mail_block: str, mail_to: str | None) -> Mailbox:
    """The mail server of a block, and who gets the mails: by default its user.

    Raises PipelineError if nobody does, and BlockNotFound.
    """
    server = EmailServerCredentials.load(mail_block)
    address = mail_to or server.username
    if not address:
        raise PipelineError(f"The mail block {mail_block!r} has no username: say with mail_to who gets the report.")
    return Mailbox(server, server.username or address, address)


def mail_report(report: Report, subject: str, mailbox: Mailbox) -> None:
    """Send the report with its figures."""
    with tempfile.TemporaryDirectory() as folder:
        figures = {name: Path(folder) / figure_file(name) for name in report.figures}
        for name, path in figures.items():
            path.write_bytes(report.figures[name])
        email_send_message(
            subject=subject,
            msg=report.mail_html(),
            email_server_credentials=mailbox.server,
            msg_plain=report.mail_text(),
            email_from=mailbox.sender,
            email_to=mailbox.address,
            inline_images=figures,
        )


def last_log_lines(flow_run_id: UUID) -> list[str]:
    """The end of what a flow run and its tasks logged, oldest line first."""
    recent: deque[Log] = deque(maxlen=LAST_LINES)
    with get_client(sync_client=True) as client:
        after = 0
        while page := client.read_logs(LogFilter(flow_run_ids=(flow_run_id,), after=after)):
            recent.extend(page)
            after = page[-1].sequence
    return [f"{log.timestamp.astimezone():%H:%M:%S} {log.message}" for log in recent]


def is_over(flow_run_id: str) -> bool:
    """Whether the flow run with this id is one of ours and has ended."""
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(UUID(flow_run_id)).state
        except (ObjectNotFound, ValueError):
            return False
    return state is not None and state.is_final()


def home() -> Path:
    """The folder for all that outlives a run, whatever the current one is."""
    return read_settings(os.environ, Path.home()).home


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
        tags={
            FLOW_RUN_TAG: str(runtime.flow_run.id or ""),
            "flow_run": runtime.flow_run.name or "",
            "generated_data": str(train.generated).lower(),
        },
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
