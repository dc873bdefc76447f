"""The batch job: the champion's minutes for every trip of a month, into the bucket. Only wiring."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from blocks.aws import S3Bucket
from orchestration import create_markdown_artifact, flow, get_run_logger, task
from pipelines.duration_prediction.batch import prediction_path, write_predictions
from pipelines.duration_prediction.champions import champion_of, load_kept, load_model
from pipelines.duration_prediction.config import DriftLimits
from pipelines.duration_prediction.data import Trips, read_month
from pipelines.duration_prediction.document import to_markdown
from pipelines.duration_prediction.drift import Drift, Profile, measure_drift
from pipelines.duration_prediction.kept import PROFILE_FILE
from pipelines.duration_prediction.model import predict_trips
from pipelines.duration_prediction.registry import RegisteredModel
from pipelines.duration_prediction.sections import predicted_month
from pipelines.duration_prediction.store import Store, find_store, model_name
from pipelines.duration_prediction.validation import conform
from pipelines.duration_prediction.wiring.mail import mail_failure, open_mailbox
from pipelines.duration_prediction.wiring.months import download_months, load
from pipelines.duration_prediction.wiring.runs import home
from pipelines.tlc import Colour, Month

PREDICTIONS_KEY = "duration-predictions"
DEFAULT_LIMITS = DriftLimits()


@dataclass(frozen=True)
class Predictions:
    """A month's predictions: their path in the bucket, how many they are, whose they are, and how the month drifted.

    `drift` is None for a model that kept no profile of its training months.
    """

    path: str
    rows: int
    model_uri: str
    drift: Drift | None


@flow(name="predict-durations", on_failure=[mail_failure])
def predict_durations(
    month: str,
    s3_block: str = "aws-s3",
    mail_block: str = "email-server-credentials-block",
    mail_to: str | None = None,
    colour: Colour = Colour.GREEN,
    limits: DriftLimits = DEFAULT_LIMITS,
) -> Predictions:
    """Predict the minutes of every trip of a month, written 2021-03, with the champion; they replace earlier ones.

    The drift of the month against the months that the champion has learnt from is published with them. Raises
    PipelineError where there is no champion or the month cannot be used, and the blocks' errors.
    """
    wanted = Month.parse(month)
    open_mailbox(mail_block, mail_to)
    store = find_store(os.environ, home())
    got = download_months(s3_block, [wanted], colour)
    trips = load(got.months, [wanted], colour)
    champion = find_model(store, colour)
    drift = measure(champion, trips, limits)
    path, rows = write(s3_block, got.months[wanted], wanted, colour, champion)
    predictions = Predictions(path, rows, champion.model_uri, drift)
    publish_predictions(predictions, wanted)
    return predictions


@task
def find_model(store: Store, colour: Colour) -> RegisteredModel:
    """The champion. Raises RegistryError if there is none."""
    return champion_of(store, model_name(colour))


@task
def measure(champion: RegisteredModel, trips: Trips, limits: DriftLimits) -> Drift | None:
    """How the month differs from those that the champion has learnt from; it stops nothing."""
    profile = load_kept(champion, PROFILE_FILE)
    if profile is None:
        return None
    drift = measure_drift(Profile.from_json(profile), trips, limits)
    for sentence in drift.flagged:
        get_run_logger().warning("Drift: %s", sentence)
    return drift


@task
def write(s3_block: str, file: Path, month: Month, colour: Colour, champion: RegisteredModel) -> tuple[str, int]:
    """Predict each row of the month's file, and put the whole file of predictions, or nothing, into the bucket."""
    model, path = load_model(champion), prediction_path(colour, month)
    marks = {"model_uri": champion.model_uri, "train_months": champion.tags.get("train_months", "")}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "predictions.parquet"
        rows = conform(read_month(file, colour), file.name, colour)
        count = write_predictions(rows, target, month, lambda part: predict_trips(model, part), marks)
        S3Bucket.load(s3_block).upload_from_path(target, path)
    get_run_logger().info("Wrote %s predictions of %s to %s.", f"{count:,}", champion.model_uri, path)
    return path, count


@task
def publish_predictions(predictions: Predictions, month: Month) -> None:
    """Publish where the predictions are, and the drift of their month."""
    document = predicted_month(month, predictions.path, predictions.rows, predictions.model_uri, predictions.drift)
    create_markdown_artifact(key=PREDICTIONS_KEY, markdown=to_markdown(document, str))
