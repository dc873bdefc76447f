"""The whole job on small months, against a real bucket, a real mail server and a real MLflow store."""

import json
import mailbox
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from blocks.aws import AwsClientParameters, AwsCredentials, S3Bucket
from blocks.mail import EmailServerCredentials
from orchestration import get_artifact, get_client, test_harness
from orchestration.sdk.block_errors import BlockNotFound
from pipelines.duration_prediction.config import BUCKET_NAME, BUCKET_PREFIX, TrainingConfig
from pipelines.duration_prediction.flow import download_months, duration_prediction, is_over
from pipelines.duration_prediction.outcome import TrainingOutcome
from pipelines.embedded.endpoints import mail_endpoint, s3_endpoint
from pipelines.embedded.source import TlcFolder, fill_bucket
from pipelines.errors import MonthError, PipelineError
from pipelines.tlc import Month

TRAIN, VALIDATE = Month(2021, 1), Month(2021, 2)


@dataclass(frozen=True)
class Surroundings:
    s3_url: str
    outbox: Path

    def mails(self) -> list[mailbox.MaildirMessage]:
        return list(mailbox.Maildir(str(self.outbox), create=False)) if self.outbox.exists() else []


@pytest.fixture
def surroundings(tmp_path: Path, made_home: Path) -> Iterator[Surroundings]:
    assert made_home == tmp_path / "home"
    with test_harness(), s3_endpoint() as s3, mail_endpoint(tmp_path / "outbox") as mail:
        credentials = AwsCredentials(
            aws_access_key_id="any",
            aws_secret_access_key=SecretStr("any"),
            region_name="us-east-1",
            aws_client_parameters=AwsClientParameters(endpoint_url=s3.url),
        )
        S3Bucket(bucket_name=BUCKET_NAME, credentials=credentials).save("bucket")
        EmailServerCredentials(smtp_server=mail.host, smtp_type="INSECURE", smtp_port=mail.port).save("mailbox")
        yield Surroundings(s3.url, tmp_path / "outbox")


def _run(quick: TrainingConfig) -> TrainingOutcome:
    outcome: TrainingOutcome = duration_prediction(
        train_months=["2021-01"],
        validate_month="2021-02",
        s3_block="bucket",
        mail_block="mailbox",
        mail_to="you@localhost",
        training=quick,
    )
    return outcome


def _check_artifacts(outcome: TrainingOutcome) -> None:
    report, metrics = get_artifact("duration-model-report"), get_artifact("duration-model-metrics")
    assert report is not None
    assert metrics is not None
    assert report.data == outcome.report.artifact()
    assert json.loads(str(metrics.data)) == [
        {"metric": name, "value": value} for name, value in outcome.metrics.as_dict().items()
    ]


def _check_mail(surroundings: Surroundings, outcome: TrainingOutcome) -> None:
    (mail,) = surroundings.mails()
    parts = {part.get_content_type(): part for part in mail.walk()}
    pictures = {part["Content-ID"] for part in mail.walk() if part.get_content_type() == "image/png"}
    assert mail["To"] == "you@localhost"
    assert mail["Subject"] == f"Trip durations: RMSE {outcome.metrics.rmse:.2f} minutes on 2021-02"
    assert {"text/plain", "text/html"} < set(parts)
    assert pictures == {"<predicted-and-actual>", "<residuals>", "<error-by-hour>"}
    assert len(mail.as_bytes()) < 1_000_000


def test_the_job_learns_judges_registers_publishes_and_mails(
    surroundings: Surroundings, sample_folder: Path, quick: TrainingConfig
) -> None:
    fill_bucket(surroundings.s3_url, BUCKET_NAME, BUCKET_PREFIX, TlcFolder(sample_folder), [TRAIN, VALIDATE])
    outcome = _run(quick)
    model, *baselines = outcome.scores
    assert model.metrics.rmse < min(score.metrics.rmse for score in baselines)
    assert outcome.n_train > 3_000
    assert outcome.registered.model_uri == "models:/nyc-taxi-duration/1"
    _check_artifacts(outcome)
    _check_mail(surroundings, outcome)


def test_a_second_run_fetches_only_what_has_changed(
    surroundings: Surroundings, sample_folder: Path
) -> None:
    source = TlcFolder(sample_folder)
    fill_bucket(surroundings.s3_url, BUCKET_NAME, BUCKET_PREFIX, source, [TRAIN, VALIDATE])
    first = download_months("bucket", [TRAIN, VALIDATE])
    marks = {month: path.stat().st_ino for month, path in first.items()}
    S3Bucket.load("bucket").write_path(BUCKET_PREFIX + VALIDATE.file_name, b"another version")
    second = download_months("bucket", [VALIDATE, TRAIN])
    assert second[TRAIN] == first[TRAIN]
    assert second[TRAIN].stat().st_ino == marks[TRAIN]
    assert first[VALIDATE].read_bytes() == (sample_folder / VALIDATE.file_name).read_bytes()
    assert second[VALIDATE].read_bytes() == b"another version"
    assert all(path.is_absolute() for path in second.values())


def test_months_that_cannot_be_judged_are_refused_before_anything_is_fetched() -> None:
    with test_harness(), pytest.raises(MonthError, match="2021-01 cannot be both learnt from and judged on"):
        duration_prediction(train_months=["2021-01"], validate_month="2021-01", s3_block="none")


def test_a_report_without_an_addressee_says_what_to_do_before_anything_is_fetched() -> None:
    with test_harness():
        EmailServerCredentials(smtp_server="localhost", smtp_type="INSECURE").save("nobody")
        with pytest.raises(PipelineError, match="mail block 'nobody' has no username: say with mail_to who gets"):
            duration_prediction(mail_block="nobody", s3_block="none")


def test_only_a_run_that_has_ended_is_over() -> None:
    with test_harness(), get_client(sync_client=True) as client:
        with pytest.raises(BlockNotFound):
            duration_prediction(mail_block="none")
        (run,) = client.read_flow_runs()
        assert is_over(str(run.id))
        assert not is_over("018f0000-0000-7000-8000-000000000000")
        assert not is_over("nonsense")
