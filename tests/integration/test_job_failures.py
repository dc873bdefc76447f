"""Whatever is wrong with data, bucket or mail server: one sentence, a failed run, a mail, and nothing half done."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from blocks.mail import EmailServerCredentials
from orchestration import get_client, test_harness
from pipelines.duration_prediction.flow import duration_prediction
from pipelines.embedded.months import make_month
from pipelines.tlc import Month
from tests.support.artifacts import newest_artifact
from tests.support.s3_server import make_bucket, s3_server
from tests.support.smtp_server import MailServer, smtp_server

JANUARY, FEBRUARY = Month(2021, 1), Month(2021, 2)
NAME = FEBRUARY.file_name
SECRET = "app-password-of-tests"


def _parquet(month: Month, drop: str | None = None, too_short: bool = False, rows: int = 400) -> bytes:
    table = make_month(month, rows=400).slice(0, rows)
    if too_short:
        starts = table["lpep_pickup_datetime"]
        table = table.set_column(table.schema.get_field_index("lpep_dropoff_datetime"), "lpep_dropoff_datetime", starts)
    file = BytesIO()
    pq.write_table(table.drop_columns([drop]) if drop else table, file)
    return file.getvalue()


BROKEN: dict[str, tuple[Callable[[], bytes | None], str]] = {
    "missing month": (
        lambda: None,
        f"The bucket months has no data/{NAME} (it holds 2021-01): upload that month or choose another one.",
    ),
    "empty file": (lambda: b"", f"{NAME} is an empty file: upload the month again."),
    "truncated": (
        lambda: _parquet(FEBRUARY)[:-100],
        f"{NAME} is not a readable parquet file, perhaps truncated (",
    ),
    "missing column": (
        lambda: _parquet(FEBRUARY, drop="trip_distance"),
        f"{NAME} lacks the column trip_distance: it is no month of green-taxi trips as the TLC has them.",
    ),
    "no valid trip": (
        lambda: _parquet(FEBRUARY, too_short=True),
        f"{NAME} holds no valid trip of 1 to 60 minutes: of 400 rows ",
    ),
    "truncated to nothing": (lambda: _parquet(FEBRUARY, rows=0), f"{NAME} holds no rows: "),
    "wrong month": (
        lambda: _parquet(Month(2021, 3)),
        f"{NAME} should hold the trips of 2021-02, but only ",
    ),
}


@dataclass(frozen=True)
class Surroundings:
    s3_url: str
    mails: MailServer


@pytest.fixture
def surroundings() -> Iterator[Surroundings]:
    with test_harness(), s3_server() as url, smtp_server() as mails:
        EmailServerCredentials(smtp_server="127.0.0.1", smtp_type="INSECURE", smtp_port=mails.port).save("mailbox")
        yield Surroundings(url, mails)


def _fill(url: str, february: bytes | None) -> None:
    contents = {JANUARY: _parquet(JANUARY), FEBRUARY: february}
    objects = {f"data/{month.file_name}": content for month, content in contents.items() if content is not None}
    make_bucket(url, objects).save("bucket")


def _run() -> str:
    """The sentence with which the job fails."""
    with pytest.raises(Exception) as caught:
        duration_prediction(s3_block="bucket", mail_block="mailbox", mail_to="you@localhost")
    return str(caught.value)


def _check_nothing_is_half_done(folder: Path) -> None:
    assert newest_artifact("duration-model-report") is None
    assert newest_artifact("duration-model-metrics") is None
    assert not (folder / "home" / "mlflow").exists()
    assert list(folder.rglob("*.part")) == []


def _check_mail(mails: MailServer, sentence: str) -> None:
    (mail,) = mails.received
    text = mail.message.get_body(("plain",)).get_content().replace("\r\n", "\n")  # type: ignore[union-attr]
    assert mail.recipients == ["you@localhost"]
    assert str(mail.message["Subject"]).endswith(" ended as Failed")
    assert "State     Failed\n" in text
    reason = next(line for line in text.splitlines() if line.startswith("Reason"))
    assert sentence in reason
    assert "Beginning flow run" in text
    assert len(text.partition("The last lines of its log")[2].strip().splitlines()) <= 52
    assert mail.message.get_body(("html",)) is not None


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_month_is_one_sentence_a_failed_run_and_a_mail(
    kind: str, surroundings: Surroundings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, beginning = BROKEN[kind]
    _fill(surroundings.s3_url, content())
    sentence = _run()
    assert sentence.startswith(beginning)
    assert "\n" not in sentence
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs()
    assert (run.state_type, run.state_name) == ("FAILED", "Failed")
    logged = capsys.readouterr().err
    assert sentence in logged
    assert "Traceback" not in logged
    _check_mail(surroundings.mails, sentence)
    _check_nothing_is_half_done(tmp_path)


def test_a_broken_bucket_is_mailed_as_well(surroundings: Surroundings, tmp_path: Path) -> None:
    bucket = make_bucket(surroundings.s3_url, {})
    bucket.model_copy(update={"bucket_name": "nowhere"}).save("bucket")
    sentence = _run()
    assert sentence.startswith(f"There is no bucket 'nowhere' at {surroundings.s3_url}; create it, or correct")
    _check_mail(surroundings.mails, sentence)
    _check_nothing_is_half_done(tmp_path)


def test_a_block_that_nobody_saved_is_mailed_as_well(surroundings: Surroundings, tmp_path: Path) -> None:
    sentence = _run()
    assert "bucket" in sentence
    _check_mail(surroundings.mails, sentence)
    _check_nothing_is_half_done(tmp_path)


def test_a_mail_that_fails_hides_nothing(surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
    with smtp_server() as gone:
        pass
    server = EmailServerCredentials(smtp_server="127.0.0.1", smtp_type="INSECURE", smtp_port=gone.port)
    server.save("mailbox", overwrite=True)
    _fill(surroundings.s3_url, b"")
    assert _run() == f"{NAME} is an empty file: upload the month again."
    logged = capsys.readouterr().err
    assert "The mail that tells of this failure could not be sent: The mail server 127.0.0.1:" in logged
    assert "Traceback" not in logged
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs()
        assert any("could not be sent" in log.message for log in client.read_logs())
    assert run.state_name == "Failed"


def test_secrets_stay_out_of_the_mail(surroundings: Surroundings) -> None:
    credentials = EmailServerCredentials(
        username="me@localhost", password=SecretStr(SECRET), smtp_server="127.0.0.1", smtp_type="INSECURE",
        smtp_port=surroundings.mails.port,
    )  # fmt: skip
    credentials.save("other")
    _fill(surroundings.s3_url, None)
    bucket = make_bucket(surroundings.s3_url, {f"data/{JANUARY.file_name}": b""}, name=f"bucket-{SECRET}")
    bucket.save("bucket", overwrite=True)
    assert SECRET in _run()
    (mail,) = surroundings.mails.received
    assert SECRET.encode() not in mail.raw
    assert b"bucket-" in mail.raw


def test_a_month_that_has_drifted_over_the_hard_limit_stops_the_run(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    table = make_month(FEBRUARY, rows=400)
    few, many = table.slice(0, 40), make_month(JANUARY, rows=4_000)
    contents = {FEBRUARY: few, JANUARY: many}
    objects = {}
    for month, rows in contents.items():
        file = BytesIO()
        pq.write_table(rows, file)
        objects[f"data/{month.file_name}"] = file.getvalue()
    make_bucket(surroundings.s3_url, objects).save("bucket")
    sentence = _run()
    assert sentence.startswith("The month differs too much from those that the model learns from: It holds 40 rows, ")
    assert "\n" not in sentence
    _check_mail(surroundings.mails, sentence)
    _check_nothing_is_half_done(tmp_path)


def test_a_mailbox_that_is_not_there_stops_the_job_at_once(surroundings: Surroundings) -> None:
    with pytest.raises(ValueError, match="none"):
        duration_prediction(s3_block="bucket", mail_block="none", mail_to="you@localhost")
    assert surroundings.mails.received == []
