"""`python -m pipelines.duration_prediction.train`, which is what `make train` runs: the job from a command line.

With `--from` and `--to` it is a backfill: one model for each validation month, learnt from the month before it.
"""

import argparse
import gc
import json
import os
import pkgutil
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from orchestration.domain.errors import OrchestrationError
from orchestration.domain.settings import read_settings
from pipelines.duration_prediction.config import MonthPlan, TrainingConfig, plan_months, split_months
from pipelines.duration_prediction.wiring.surroundings import Needs, Surroundings, surroundings_for
from pipelines.errors import MonthError, PipelineError, SettingError
from pipelines.files import lock_file
from pipelines.tlc import Colour, Month

if TYPE_CHECKING:
    from pipelines.duration_prediction.outcome import TrainingOutcome

# Looked up by name when it is needed: behind it are pandas and scikit-learn, two seconds of loading for which neither
# the first line nor the start of the embedded servers should wait.
FLOW = "pipelines.duration_prediction.flow:duration_prediction"

REPORTS = Path("reports")
FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; gives the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    began = time.perf_counter()
    options = _parser().parse_args(arguments)
    try:
        plans, training = _plans(options), _training(options)
        print(_greeting(plans), flush=True)
        home = read_settings(os.environ, Path.home()).home
        needs = Needs(sorted({month for plan in plans for month in plan.months}), options.colour)
        with lock_file(home / "job.lock", partial(_wait_for_turn, home)), surroundings_for(needs, home) as surroundings:
            for plan in plans:
                folder = REPORTS if len(plans) == 1 else REPORTS / str(plan.validate)
                outcome = _train(plan, training, surroundings)
                began = _tell(outcome, surroundings, folder.absolute(), began)
    except (MonthError, SettingError) as error:
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
    parser.add_argument("--from", dest="first", default="", metavar="MONTH", help="backfill: first month to judge on")
    parser.add_argument("--to", dest="last", default="", metavar="MONTH", help="backfill: last month to judge on")
    parser.add_argument("--colour", type=Colour, choices=list(Colour), default=Colour.GREEN, help="of the taxis")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="NAME=VALUE", help="a setting of the training"
    )
    return parser


def _training(options: argparse.Namespace) -> TrainingConfig:
    """The settings of the trainings. Raises SettingError, in one sentence, for one that there is not or cannot be."""
    named = dict(each.partition("=")[::2] for each in options.settings)
    try:
        return TrainingConfig(colour=options.colour, **{name: _value(text) for name, text in named.items()})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        known = ", ".join(TrainingConfig.model_fields)
        raise SettingError(f"--set {field}: {first['msg']}; the settings are {known}.") from error


def _value(text: str) -> Any:
    """A number or a list as JSON has it; any other text is itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _plans(options: argparse.Namespace) -> list[MonthPlan]:
    """The trainings to do, one after the other. Raises MonthError for months that make no sense."""
    if not options.first and not options.last:
        return [plan_months(split_months(options.train), options.validate)]
    if options.train or options.validate:
        raise MonthError("A backfill learns from the month before each one: leave out --train and --validate.")
    month, last = Month.parse(options.first), Month.parse(options.last)
    if last < month:
        raise MonthError(f"The backfill ends in {last}, before it begins in {month}: exchange --from and --to.")
    plans = []
    while month <= last:
        plans.append(MonthPlan((month.previous(),), month))
        month = month.next()
    return plans


def _greeting(plans: Sequence[MonthPlan]) -> str:
    if len(plans) > 1:
        span = f"{plans[0].validate} to {plans[-1].validate}"
        return f"Judging on {len(plans)} months from {span}, learning from the month before each."
    return f"Learning from {', '.join(map(str, plans[0].train))}, judging on {plans[0].validate}."


def _wait_for_turn(home: Path) -> None:
    print(f"Another job is at work in {home}: this one begins when it has ended.", flush=True)


def _train(plan: MonthPlan, training: TrainingConfig, surroundings: Surroundings) -> "TrainingOutcome":
    duration_prediction = pkgutil.resolve_name(FLOW)
    outcome: TrainingOutcome = duration_prediction(
        train_months=[str(month) for month in plan.train],
        validate_month=str(plan.validate),
        s3_block=surroundings.storage.block,
        mail_block=surroundings.mail.block,
        mail_to=surroundings.mail.to,
        training=training,
    )
    return outcome


def _tell(outcome: "TrainingOutcome", surroundings: Surroundings, folder: Path, began: float) -> float:
    """File the report and say what came of a training that began at that time; when it ended, in seconds as well."""
    ended = time.perf_counter()
    report = outcome.write(folder, surroundings.storage.data_source, ended - began)
    print(_farewell(outcome, report, surroundings.mail.place, ended - began), flush=True)
    return ended


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
