"""`python -m pipelines.duration_prediction.train`, which is what `make train` runs: the job from a command line.

Without a file `.env` the job gets an embedded bucket and mailbox that end with it, and its own block names, so that a
user's blocks stay as they are. With one, it uses the blocks that the tutorial saves from that file.
"""

import argparse
import gc
import os
import pkgutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from blocks.aws import AwsClientParameters, AwsCredentials, S3Bucket
from blocks.mail import EmailServerCredentials
from orchestration.domain.errors import OrchestrationError
from pipelines.duration_prediction.config import BUCKET_NAME, BUCKET_PREFIX, MonthPlan, plan_months, split_months
from pipelines.embedded.endpoints import Server, mail_endpoint, s3_endpoint
from pipelines.errors import MonthError, PipelineError

if TYPE_CHECKING:
    from pipelines.duration_prediction.outcome import TrainingOutcome

# Looked up by name when they are needed: behind them are pandas, scikit-learn and boto3, two seconds of loading for
# which neither the first line nor the start of the embedded servers should wait.
FLOW = "pipelines.duration_prediction.flow:duration_prediction"
CHOOSE_SOURCE = "pipelines.embedded.source:choose_source"
FILL_BUCKET = "pipelines.embedded.source:fill_bucket"

ENV_FILE = Path(".env")
REPORTS = Path("reports")
OUTBOX = Path("outbox")
EMBEDDED_MAIL_TO = "you@localhost"
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


@dataclass(frozen=True)
class Surroundings:
    """The blocks with which the job runs, and what to tell people about its data and mails."""

    s3_block: str
    mail_block: str
    mail_to: str | None
    data_source: str
    mail_place: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; gives the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    began = time.perf_counter()
    options = _parser().parse_args(arguments)
    try:
        plan = plan_months(split_months(options.train), options.validate)
        print(f"Learning from {', '.join(map(str, plan.train))}, judging on {plan.validate}.", flush=True)
        with _surroundings(plan) as surroundings:
            outcome = _run(plan, surroundings)
            seconds = time.perf_counter() - began
            report = outcome.write(REPORTS.absolute(), surroundings.data_source, seconds)
        print(_farewell(outcome, report, surroundings.mail_place, seconds), flush=True)
    except MonthError as error:
        return _give_up(str(error), WRONG_USAGE)
    except (PipelineError, OrchestrationError) as error:
        return _give_up(str(error), FAILED)
    except KeyboardInterrupt:
        return _give_up("Interrupted.", INTERRUPTED)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train", description="Train, judge, register and report a model.")
    parser.add_argument("--train", default="", metavar="MONTHS", help="months to learn from, such as 2020-12,2021-01")
    parser.add_argument("--validate", default="", metavar="MONTH", help="the month to judge on, such as 2021-02")
    return parser


def _run(plan: MonthPlan, surroundings: Surroundings) -> "TrainingOutcome":
    duration_prediction = pkgutil.resolve_name(FLOW)
    outcome: TrainingOutcome = duration_prediction(
        train_months=[str(month) for month in plan.train],
        validate_month=str(plan.validate),
        s3_block=surroundings.s3_block,
        mail_block=surroundings.mail_block,
        mail_to=surroundings.mail_to,
    )
    return outcome


@contextmanager
def _surroundings(plan: MonthPlan) -> Iterator[Surroundings]:
    if ENV_FILE.exists():
        print(f"Using the blocks saved from {ENV_FILE}.", flush=True)
        yield Surroundings("aws-s3", "email-server-credentials-block", None, "s3", "sent by your mail server")
        return
    outbox = OUTBOX.absolute()
    with s3_endpoint() as s3, mail_endpoint(outbox) as mail:
        source = pkgutil.resolve_name(CHOOSE_SOURCE)(os.environ)
        print(source.sentence, flush=True)
        pkgutil.resolve_name(FILL_BUCKET)(s3.url, BUCKET_NAME, BUCKET_PREFIX, source, plan.months)
        yield _embedded(s3, mail, source.kind, outbox)


def _embedded(s3: Server, mail: Server, data_source: str, outbox: Path) -> Surroundings:
    key = "embedded"
    credentials = AwsCredentials(
        aws_access_key_id=key,
        aws_secret_access_key=SecretStr(key),
        region_name="us-east-1",
        aws_client_parameters=AwsClientParameters(endpoint_url=s3.url),
    )
    S3Bucket(bucket_name=BUCKET_NAME, credentials=credentials).save("embedded-s3", overwrite=True)
    server = EmailServerCredentials(smtp_server=mail.host, smtp_type="INSECURE", smtp_port=mail.port)
    server.save("embedded-mail", overwrite=True)
    return Surroundings("embedded-s3", "embedded-mail", EMBEDDED_MAIL_TO, data_source, f"in {outbox}")


def _farewell(outcome: "TrainingOutcome", report: Path, mail_place: str, seconds: float) -> str:
    return (
        f"\n{outcome.table()}\n"
        f"Report: {report}\n"
        f"Mail:   {mail_place}\n"
        f"Model:  {outcome.registered.model_uri} in {outcome.registered.tracking_uri}\n"
        f"Done in {seconds:.1f} s."
    )


def _give_up(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    code = main()
    # At its end the interpreter collects garbage among half a million objects of the libraries, for more than a second.
    gc.freeze()
    sys.exit(code)
