"""The monthly job: fetch the months, learn, judge, register, publish and mail. Only wiring; the work is elsewhere."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from orchestration import (
    State,
    ThreadPoolTaskRunner,
    create_markdown_artifact,
    create_table_artifact,
    flow,
    get_run_logger,
    task,
)
from pipelines.duration_prediction import boosting
from pipelines.duration_prediction.apart import predict_apart
from pipelines.duration_prediction.baselines import Baselines, score_baselines
from pipelines.duration_prediction.bootstrap import rmse_difference
from pipelines.duration_prediction.champions import (
    find_champion,
    keep_as_challenger,
    load_kept,
    load_model,
    promote,
)
from pipelines.duration_prediction.config import METRICS_KEY, REPORT_KEY, MonthPlan, TrainingConfig
from pipelines.duration_prediction.data import Trips
from pipelines.duration_prediction.drift import Drift, measure_drift, profile_trips
from pipelines.duration_prediction.evaluation import Evaluation, evaluate_model
from pipelines.duration_prediction.facts import Findings, ReportFacts
from pipelines.duration_prediction.figures import draw_figures
from pipelines.duration_prediction.fingerprint import code_version
from pipelines.duration_prediction.fitting import CandidateScore, train_model
from pipelines.duration_prediction.geography import Geography, find_geography
from pipelines.duration_prediction.history import metric_rows, read_history, up_to
from pipelines.duration_prediction.kept import CANDIDATES_FILE, read_candidates
from pipelines.duration_prediction.metrics import Minutes, evaluate
from pipelines.duration_prediction.model import DurationModel, Prediction, predict_trips
from pipelines.duration_prediction.outcome import TrainingOutcome
from pipelines.duration_prediction.registry import (
    DataFile,
    RegisteredModel,
    TrainingRecord,
    add_files,
    find_registered,
    getting_ready,
    register_model,
)
from pipelines.duration_prediction.report import Report, build_report, report_files
from pipelines.duration_prediction.scales import SCALES
from pipelines.duration_prediction.sections import GENERATED_WARNING
from pipelines.duration_prediction.standing import Fate, Outcome, Rival, decide_fate, learnt_months
from pipelines.duration_prediction.store import Store, find_store, model_name
from pipelines.duration_prediction.wiring.mail import mail_failure, mail_report, open_mailbox
from pipelines.duration_prediction.wiring.months import download_months, load
from pipelines.duration_prediction.wiring.records import model_fingerprint, provenance, record_training
from pipelines.duration_prediction.wiring.runs import earlier_metrics, home, is_over, months_of_run, wait_a_day
from pipelines.duration_prediction.zone_names import read_zone_names
from pipelines.errors import LateMonthError, OverdueMonthError
from pipelines.helpers import Helpers, helping, usable_cores
from pipelines.progress import progress_bar

T = TypeVar("T")
R = TypeVar("R")

# Each fit keeps a core busy and holds a copy of its trips; the long rounds have one for each scale.
FITS_AT_ONCE = min(usable_cores(), len(SCALES))
# On a single core a process of its own would gain a fit nothing.
HELPERS = FITS_AT_ONCE if FITS_AT_ONCE > 1 else 0
DEFAULT_TRAINING = TrainingConfig()


class Given(NamedTuple):
    """What is known before anything is learnt."""

    plan: MonthPlan
    train: Trips
    validate: Trips
    drift: Drift
    baselines: Baselines

    def findings(
        self,
        candidates: tuple[CandidateScore, ...],
        evaluation: Evaluation,
        geography: Geography,
        rival: Rival | None,
    ) -> Findings:
        """Together with what was learnt: what the run found out."""
        return Findings(
            colour=self.train.colour,
            plan=self.plan,
            counts=(*self.train.counts, *self.validate.counts),
            generated=self.train.generated or self.validate.generated,
            geography=str(geography.source),
            drift=self.drift,
            evaluation=evaluation,
            baselines=self.baselines.scores,
            left_out=self.baselines.left_out,
            candidates=candidates,
            rival=rival,
        )


@flow(name="duration-prediction", task_runner=ThreadPoolTaskRunner(FITS_AT_ONCE), on_failure=[mail_failure])
def duration_prediction(
    train_months: list[str] | None = None,
    validate_month: str | None = None,
    s3_block: str = "aws-s3",
    mail_block: str = "email-server-credentials-block",
    mail_to: str | None = None,
    training: TrainingConfig = DEFAULT_TRAINING,
) -> TrainingOutcome | State:
    """Learn trip durations from some months, judge the model on a later one, and tell people about it.

    Months are written 2021-01; see `months_of_run` for those left out. The report, or the news of a failure, goes to
    `mail_to`, by default to the user of the mail block. The same months, settings and code give the same version of the
    registered model, however often they run. A scheduled run whose month is not published yet waits for it, a day at a
    time. Raises PipelineError where the months cannot be used, and the blocks' errors.
    """
    plan = months_of_run(train_months, validate_month, training)
    mailbox = open_mailbox(mail_block, mail_to)
    store = find_store(os.environ, home())
    with helping(HELPERS, boosting.__name__) as helpers:
        try:
            got = download_months(s3_block, plan.months, training.colour)
        except (LateMonthError, OverdueMonthError) as absent:
            return wait_a_day(absent, train_months, validate_month, training)
        train = load(got.months, plan.train, training.colour)
        validate = load(got.months, (plan.validate,), training.colour)
        drift = check_drift(train, validate, training)
        with getting_ready(store):
            baselines = compare_baselines(train, validate)
        files = got.data_files(plan)
        earlier = find_earlier(store, training, files)
        model, candidates = load_earlier(earlier) if earlier else learn(train, got.centroids, training, helpers)
    prediction = predict(model, validate)
    geography = model.design.geography
    evaluation = judge(validate, prediction, geography)
    rival = score_champion(store, training, validate, prediction, earlier)
    found = Given(plan, train, validate, drift, baselines).findings(candidates, evaluation, geography, rival)
    record = record_training(found, training, files, train)
    registered = earlier or register(model, record, store)
    outcome = settle(store, found, registered, earlier is not None, training.promotion_margin)
    facts = gather_facts(found, outcome, provenance(got, registered, record), got.centroids)
    report = make_report(facts, validate, prediction, geography)
    publish(report, facts)
    keep_report(registered, report)
    mail_report(report, mailbox)
    return TrainingOutcome(facts, registered, report)


@task
def check_drift(train: Trips, validate: Trips, training: TrainingConfig) -> Drift:
    """How the judged month differs from those learnt from. Raises DriftError if it differs too much."""
    if train.generated or validate.generated:
        get_run_logger().warning(GENERATED_WARNING)
    drift = measure_drift(profile_trips(train), validate, training.drift)
    for sentence in drift.flagged:
        get_run_logger().warning("Drift: %s", sentence)
    drift.check()
    return drift


@task
def compare_baselines(train: Trips, validate: Trips) -> Baselines:
    """What the model has to beat on the judged month."""
    return score_baselines(train, validate)


@task
def find_earlier(store: Store, training: TrainingConfig, files: Sequence[DataFile]) -> RegisteredModel | None:
    """The version that an earlier run has made of the same files, settings and code."""
    found = find_registered(store, training.colour, model_fingerprint(files, training))
    if found is not None:
        get_run_logger().info("%s was made of the same files, settings and code: nothing to learn.", found.model_uri)
    return found


@task
def load_earlier(registered: RegisteredModel) -> tuple[DurationModel, tuple[CandidateScore, ...]]:
    """A model that an earlier run has made, and how its candidates did."""
    return load_model(registered), read_candidates(load_kept(registered, CANDIDATES_FILE))


def learn(
    train: Trips, centroids: Path | None, training: TrainingConfig, helpers: Helpers
) -> tuple[DurationModel, tuple[CandidateScore, ...]]:
    """The fitted model and how its candidates did; each candidate is a task of its own."""
    geography = locate_zones(centroids, train)
    trained = train_model(train, geography, training, partial(spread, helpers))
    get_run_logger().info(
        "Learnt in %.1f s; of %d candidates the best is: %s.",
        trained.seconds,
        len(trained.candidates),
        trained.candidates[0].name,
    )
    return trained.model, trained.candidates


def spread(helpers: Helpers, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do the same to each item, a task run each; the results in the order of the items."""
    futures = [fit_candidate.submit(helpers, work, item) for item in items]
    results = []
    with progress_bar("Fitting", len(futures)) as bar:
        for future in futures:
            results.append(future.result())
            bar.reach(len(results))
    return results


@task
def fit_candidate(helpers: Helpers, work: Callable[[T], R], item: T) -> R:
    """One independent piece of the training."""
    return helpers.call(work, item)


@task
def locate_zones(centroids: Path | None, train: Trips) -> Geography:
    """Where the zones lie."""
    geography = find_geography(centroids, train)
    get_run_logger().info("The places of %d zones: %s.", geography.known, geography.source)
    return geography


@task
def predict(model: DurationModel, validate: Trips) -> Prediction:
    """The model's minutes, and their intervals, for the trips that it is judged on."""
    return predict_trips(model, validate.frame)


@task
def judge(validate: Trips, prediction: Prediction, geography: Geography) -> Evaluation:
    """How far off the model is, all in all and by slice."""
    evaluation = evaluate_model(validate, prediction, geography.boroughs)
    metrics = evaluation.metrics
    get_run_logger().info("RMSE %.2f minutes, MAE %.2f, R2 %.3f.", metrics.rmse, metrics.mae, metrics.r2)
    return evaluation


@task
def score_champion(
    store: Store, training: TrainingConfig, validate: Trips, prediction: Prediction, own: RegisteredModel | None
) -> Rival | None:
    """The champion on the same trips; None without one, or where the model itself is it."""
    champion = find_champion(store, model_name(training.colour))
    if champion is None or (own is not None and champion.version == own.version):
        return None
    actual = validate.minutes.to_numpy(dtype="float64")
    minutes = champion_minutes(champion, validate)
    difference = rmse_difference(actual, prediction.minutes, minutes, seed=training.seed)
    return Rival(champion.version, learnt_months(champion.tags), evaluate(actual, minutes), difference)


def champion_minutes(champion: RegisteredModel, validate: Trips) -> Minutes:
    """The champion's minutes, by the code that it was made with."""
    if champion.tags.get("code_version") == code_version():
        return predict_trips(load_model(champion), validate.frame).minutes
    get_run_logger().info("%s was made by other code: it predicts in a process of its own.", champion.model_uri)
    return predict_apart(champion, validate.frame)


@task
def register(model: DurationModel, record: TrainingRecord, store: Store) -> RegisteredModel:
    """The model's new version in MLflow."""
    registered = register_model(model, record, store, is_over)
    get_run_logger().info("Registered %s in %s.", registered.model_uri, registered.tracking_uri)
    return registered


@task
def settle(store: Store, found: Findings, registered: RegisteredModel, reused: bool, margin: float) -> Outcome:
    """Promote the model if it has earned it, and say why."""
    champion = find_champion(store, registered.name)
    if champion is not None and champion.version == registered.version:
        fate, reason = Fate.STAYS, f"Version {registered.version} has been the champion since an earlier run."
    else:
        fate, reason = decide_fate(found.metrics, found.rival, found.plan.validate, margin)
    if fate is Fate.PROMOTED:
        promote(store, registered.name, registered.version)
    elif fate is Fate.KEPT and not reused:
        keep_as_challenger(store, registered)
    get_run_logger().info("%s: %s", registered.model_uri, reason)
    return Outcome(registered.model_uri, reused, fate, reason)


def gather_facts(found: Findings, outcome: Outcome, origin: Mapping[str, str], centroids: Path | None) -> ReportFacts:
    """All that a report of today tells."""
    return ReportFacts(
        day=date.today(),
        found=found,
        outcome=outcome,
        history=read_history(earlier_metrics(), found.colour),
        provenance=origin,
        zone_names=read_zone_names(centroids),
    )


@task
def make_report(facts: ReportFacts, validate: Trips, prediction: Prediction, geography: Geography) -> Report:
    """The report with its figures."""
    months = up_to(facts.history, facts.found.judged())
    return build_report(facts, draw_figures(validate, prediction.minutes, facts.found.evaluation, geography, months))


@task
def publish(report: Report, facts: ReportFacts) -> None:
    """Publish the report and the metrics as artifacts."""
    create_markdown_artifact(key=REPORT_KEY, markdown=report.artifact(), description=report.subject)
    described = f"Errors in minutes on the trips of {facts.found.plan.validate}."
    create_table_artifact(key=METRICS_KEY, table=metric_rows(facts.table()), description=described)


@task
def keep_report(registered: RegisteredModel, report: Report) -> None:
    """Keep the filed report with the model in MLflow."""
    add_files(registered, report_files(report))
