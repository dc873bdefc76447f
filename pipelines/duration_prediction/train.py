"""`python -m pipelines.duration_prediction.train`, which is what `make train` runs: the job from a command line.

The file `.env`, and nothing else, says where the months are and who sends the mails: what it describes is saved as the
tutorial's blocks. For storage or mail of which it says nothing, the job gets an embedded bucket or mailbox that ends
with it, under block names of its own, so that a user's blocks stay as they are.
"""

import argparse
import gc
import os
import pkgutil
import sys
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from blocks.aws import AwsClientParameters, AwsCredentials, S3Bucket
from blocks.mail import EmailServerCredentials
from blocks.register import Registered, register
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.settings import read_settings
from pipelines.duration_prediction.config import BUCKET_NAME, BUCKET_PREFIX, MonthPlan, plan_months, split_months
from pipelines.embedded.endpoints import Server, mail_endpoint, s3_endpoint
from pipelines.errors import MonthError, PipelineError
from pipelines.files import lock_file

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

# What the shell says of AWS is for other programs, and boto3 would let it overrule the blocks; only the certificates
# that it names are the machine's.
SHELLS_AWS, MACHINES_AWS = "AWS_", "AWS_CA_BUNDLE"
LOOPBACK = "127.0.0.1,localhost"


@dataclass(frozen=True)
class Storage:
    """The bucket's block, and where its data come from, for metrics.json."""

    block: str
    data_source: str


@dataclass(frozen=True)
class Mail:
    """The mail server's block, who gets the mails (None: its user), and where they go, in words."""

    block: str
    to: str | None
    place: str


@dataclass(frozen=True)
class Surroundings:
    """What the job runs with."""

    storage: Storage
    mail: Mail


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; gives the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    began = time.perf_counter()
    options = _parser().parse_args(arguments)
    try:
        plan = plan_months(split_months(options.train), options.validate)
        print(f"Learning from {', '.join(map(str, plan.train))}, judging on {plan.validate}.", flush=True)
        home = read_settings(os.environ, Path.home()).home
        with lock_file(home / "job.lock", partial(_wait_for_turn, home)), _surroundings(plan, home) as surroundings:
            outcome = _run(plan, surroundings)
            seconds = time.perf_counter() - began
            report = outcome.write(REPORTS.absolute(), surroundings.storage.data_source, seconds)
        print(_farewell(outcome, report, surroundings.mail.place, seconds), flush=True)
    except MonthError as error:
        return _give_up(str(error), WRONG_USAGE)
    except (PipelineError, OrchestrationError) as error:
        return _give_up(str(error), FAILED)
    except OSError as error:
        return _give_up(f"A file could not be read or written: {error}.", FAILED)
    except KeyboardInterrupt:
        return _give_up("Interrupted.", INTERRUPTED)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train", description="Train, judge, register and report a model.")
    parser.add_argument("--train", default="", metavar="MONTHS", help="months to learn from, such as 2020-12,2021-01")
    parser.add_argument("--validate", default="", metavar="MONTH", help="the month to judge on, such as 2021-02")
    return parser


def _wait_for_turn(home: Path) -> None:
    print(f"Another job is at work in {home}: this one begins when it has ended.", flush=True)


def _run(plan: MonthPlan, surroundings: Surroundings) -> "TrainingOutcome":
    duration_prediction = pkgutil.resolve_name(FLOW)
    outcome: TrainingOutcome = duration_prediction(
        train_months=[str(month) for month in plan.train],
        validate_month=str(plan.validate),
        s3_block=surroundings.storage.block,
        mail_block=surroundings.mail.block,
        mail_to=surroundings.mail.to,
    )
    return outcome


@contextmanager
def _surroundings(plan: MonthPlan, home: Path) -> Iterator[Surroundings]:
    _forget_the_shell(os.environ)
    described = register(ENV_FILE) if ENV_FILE.exists() else Registered(None, None)
    outbox = OUTBOX.absolute()
    # Both servers start at once, and then the months are looked for.
    with ExitStack() as stack:
        s3 = stack.enter_context(s3_endpoint()) if described.s3_block is None else None
        mailbox = stack.enter_context(mail_endpoint(outbox)) if described.mail_block is None else None
        mail = _own_mail(described) if mailbox is None else _embedded_mail(mailbox, outbox)
        storage = _own_storage(described) if s3 is None else _embedded_storage(s3, plan, home)
        yield Surroundings(storage, mail)


def _forget_the_shell(environ: MutableMapping[str, str]) -> None:
    """Let no variable of the shell say which bucket to use, nor send what is for this machine through a proxy."""
    for name in [name for name in environ if name.startswith(SHELLS_AWS) and name != MACHINES_AWS]:
        del environ[name]
    for name in ("no_proxy", "NO_PROXY"):
        environ[name] = ",".join(filter(None, [environ.get(name), LOOPBACK]))


def _own_storage(described: Registered) -> Storage:
    print(f"The data are those of the bucket that {ENV_FILE} describes.", flush=True)
    return Storage(described.s3_block or "", "s3")


def _own_mail(described: Registered) -> Mail:
    return Mail(described.mail_block or "", described.mail_to, f"sent by the server that {ENV_FILE} describes")


def _embedded_storage(s3: Server, plan: MonthPlan, home: Path) -> Storage:
    """Fill the embedded bucket and save the block of it."""
    source = pkgutil.resolve_name(CHOOSE_SOURCE)(os.environ, home / "cache" / "tlc", plan.months)
    print(source.sentence, flush=True)
    for missing in pkgutil.resolve_name(FILL_BUCKET)(s3.url, BUCKET_NAME, BUCKET_PREFIX, source, plan.months):
        print(missing, file=sys.stderr, flush=True)
    key = "embedded"
    credentials = AwsCredentials(
        aws_access_key_id=key,
        aws_secret_access_key=SecretStr(key),
        region_name="us-east-1",
        aws_client_parameters=AwsClientParameters(endpoint_url=s3.url),
    )
    S3Bucket(bucket_name=BUCKET_NAME, credentials=credentials).save("embedded-s3", overwrite=True)
    return Storage("embedded-s3", source.kind)


def _embedded_mail(mailbox: Server, outbox: Path) -> Mail:
    server = EmailServerCredentials(smtp_server=mailbox.host, smtp_type="INSECURE", smtp_port=mailbox.port)
    server.save("embedded-mail", overwrite=True)
    return Mail("embedded-mail", EMBEDDED_MAIL_TO, f"in {outbox}")


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
