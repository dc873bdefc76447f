"""What the job runs with in tests: a store of its own, a real bucket and a real mail server, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blocks.aws import S3Bucket
from blocks.mail import EmailServerCredentials
from orchestration import test_harness
from pipelines.duration_prediction.config import TrainingConfig
from pipelines.duration_prediction.flow import duration_prediction
from pipelines.duration_prediction.outcome import TrainingOutcome
from tests.support.s3_server import make_bucket, s3_server
from tests.support.smtp_server import MailServer, smtp_server

BLOCKS: dict[str, Any] = {"s3_block": "bucket", "mail_block": "mailbox", "mail_to": "you@localhost"}


@dataclass(frozen=True)
class Surroundings:
    """Where the bucket is, and what the mail server got; the blocks are `bucket` and `mailbox`."""

    s3_url: str
    mails: MailServer

    def fill(self, *files: Path) -> S3Bucket:
        """Make the bucket, with these files in it."""
        bucket = make_bucket(self.s3_url, {f"data/{path.name}": path.read_bytes() for path in files})
        bucket.save("bucket")
        return bucket


@contextmanager
def surroundings_of_tests() -> Iterator[Surroundings]:
    """Servers and blocks, up to the end of the body."""
    with test_harness(), s3_server() as url, smtp_server() as mails:
        EmailServerCredentials(smtp_server="127.0.0.1", smtp_type="INSECURE", smtp_port=mails.port).save("mailbox")
        yield Surroundings(url, mails)


def run_job(
    training: TrainingConfig, train: str = "2021-01", validate: str = "2021-02", **given: Any
) -> TrainingOutcome:
    """Run the flow on the bucket of the tests."""
    outcome = duration_prediction(
        train_months=[train], validate_month=validate, training=training, **{**BLOCKS, **given}
    )
    assert isinstance(outcome, TrainingOutcome)
    return outcome
