"""Logs of runs: on the console in Prefect's layout, in the store, and of what runs print with ``log_prints``.

Secret values that this process knows are taken out of every text that leaves it. ``started_session`` opens the
store and lets runs log; it stands here because whatever asks for the store at run time logs as well.
"""

import builtins
import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

from orchestration.domain.errors import ConfigurationError, MissingContextError, StoreError
from orchestration.domain.schemas.catalog import MASK
from orchestration.domain.schemas.runs import FlowRun, TaskRun
from orchestration.domain.settings import Settings
from orchestration.sdk.context import FLOW_RUN, TASK_RUN, FlowRunContext, Session, current_run, current_session

# Secrets of fewer characters are not looked for: they would blot out ordinary words.
SHORTEST = 4

_lock = threading.Lock()
_known: set[str] = set()
_pattern: re.Pattern[str] | None = None


def remember_secret(value: str) -> None:
    """Redact ``value`` from now on, as it is and as JSON and URLs spell it."""
    global _pattern  # noqa: PLW0603 - the registry is the process's
    take_over_last_words()
    if len(value.strip()) < SHORTEST or value in _known:
        return
    with _lock:
        _known.update({value, value.strip(), json.dumps(value)[1:-1], repr(value)[1:-1]})
        _known.update({quote(value), quote(value, safe="")})
        longest_first = sorted(_known, key=len, reverse=True)
        _pattern = re.compile("|".join(map(re.escape, longest_first)))


def redact(text: str) -> str:
    """The text with a mask in place of each known secret; the text itself while no secret is known."""
    return _pattern.sub(MASK, text) if _pattern is not None else text


def take_over_last_words() -> None:
    """Print what ends this process as ``_print_error`` does; another program's hook is left alone."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_error


def _print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What is printed of an error that nobody caught, without the secrets.

    Of a store or a setting that cannot be used it is the sentence alone, since no line of the script is to blame.
    """
    says_it_all = issubclass(kind, StoreError | ConfigurationError)
    sys.stderr.write(redact(f"{error}\n" if says_it_all else "".join(traceback.format_exception(kind, error, trace))))


class _Heard(logging.Logger):
    """A logger that nobody switches off: ``dictConfig`` disables all loggers it does not know, unless told not to."""

    disabled = property(lambda self: False, lambda self, value: None)


_usual = logging.getLoggerClass()
logging.setLoggerClass(_Heard)
ROOT = logging.getLogger("orchestration")
FLOW_LOGGER, TASK_LOGGER = ROOT.getChild("flow_runs"), ROOT.getChild("task_runs")
logging.setLoggerClass(_usual)

_print = builtins.print
# Characters of one log message; a longer one is cut, with a mark.
LONGEST_LINE = 1_000_000


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines belong to one run."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the run's fields to those of the call."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


def log_fields(run: FlowRun | TaskRun | None) -> Mapping[str, Any]:
    """The fields that a log record carries for a run; none without a run."""
    if isinstance(run, TaskRun):
        return {"prefix": f"Task run {run.name!r} - ", "flow_run_id": run.flow_run_id, "task_run_id": run.id}
    return {"prefix": f"Flow run {run.name!r} - ", "flow_run_id": run.id, "task_run_id": None} if run else {}


def tell(run: TaskRun, level: int, message: str) -> None:
    """Log a line of a task run: as its logger would, without looking up who called."""
    if TASK_LOGGER.isEnabledFor(level):
        record = logging.LogRecord(TASK_LOGGER.name, level, "", 0, message, None, None)
        record.__dict__.update(log_fields(run))
        TASK_LOGGER.handle(record)


def get_run_logger(context: Any = None, **kwargs: Any) -> RunLogger:
    """The logger of the current task run, or else flow run.

    Raises:
        MissingContextError: outside a run.
    """
    run = current_run()
    if run is None:
        raise MissingContextError("There is no active flow or task run to log for; outside, use logging.getLogger().")
    return logger_of(run, **kwargs)


def logger_of(run: FlowRun | TaskRun, **more: Any) -> RunLogger:
    """A logger whose lines belong to a run."""
    return RunLogger(FLOW_LOGGER if isinstance(run, FlowRun) else TASK_LOGGER, {**log_fields(run), **more})


def get_logger(name: str | None = None) -> logging.Logger:
    """A logger of this package, for lines that belong to no run."""
    return ROOT.getChild(name) if name else ROOT


class ConsoleHandler(logging.Handler):
    """Writes to whatever ``sys.stderr`` is at the moment, so that captured output is captured."""

    # Begins each line where somebody reads them who must tell them from other output.
    mark = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write ``12:17:29.675 | INFO    | Flow run 'light-boar' - message``, and below it the traceback if any."""
        try:
            text = self.format(record) if record.exc_info else record.getMessage()
            when = f"{time.strftime('%H:%M:%S', time.localtime(record.created))}.{int(record.msecs):03d}"
            line = f"{when} | {record.levelname:<7} | {getattr(record, 'prefix', '')}{text}"
            sys.stderr.write(redact(self.mark + line.replace("\n", f"\n{self.mark}") + "\n"))
        except Exception:  # a line that cannot be shown ends no run
            self.handleError(record)


class StoreHandler(logging.Handler):
    """Hands the lines of runs to the recorder; a warning or worse is written at once."""

    # The session that logging is set up for.
    session: Session | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Record one line, whole; beyond ``LONGEST_LINE`` characters with a mark."""
        session = current_session()
        named = hasattr(record, "flow_run_id")  # by its logger; else it belongs to the run that it was logged in
        fields = record.__dict__ if named else log_fields(current_run())
        runs = [str(fields[each]) if fields.get(each) else None for each in ("flow_run_id", "task_run_id")]
        if not session.settings.logging_to_store or runs == [None, None]:
            return
        text = redact(self.format(record) if record.exc_info else record.getMessage())
        if len(text) > LONGEST_LINE:
            text = f"{text[:LONGEST_LINE]} [truncated: {len(text) - LONGEST_LINE} more characters]"
        row = (record.name, record.levelno, text, round(record.created * 1e6), runs[0], runs[1])
        session.recorder.log(row, record.levelno >= logging.WARNING)


_CONSOLE, _STORE = ConsoleHandler(), StoreHandler()


def are_logged(decorated: Any, around: FlowRunContext | None, settings: Settings) -> bool:
    """Whether what a flow or task prints is logged: as it says, else the flow around it, else the settings."""
    asked = decorated.log_prints
    if asked is None:
        asked = around.log_prints if around is not None else settings.log_prints
    if asked:
        builtins.print = print_or_log
    return bool(asked)


def print_or_log(*args: Any, **kwargs: Any) -> None:
    """Log what is printed to standard output or error inside a run with ``log_prints``; print everything else."""
    context = TASK_RUN.get() or FLOW_RUN.get()
    if context is None or not context.log_prints or kwargs.get("file") not in (None, sys.stdout, sys.stderr):
        _print(*args, **kwargs)
        return
    separator = kwargs.get("sep")
    get_run_logger().info("%s", (" " if separator is None else separator).join(map(str, args)))


def started_session() -> Session:
    """The session of this process, whose console and store the loggers of runs write to."""
    take_over_last_words()
    session = current_session()
    if _STORE.session is not session:
        _STORE.session, ROOT.propagate = session, False
        ROOT.addHandler(_CONSOLE)
        others = [logging.getLogger(name) for name in session.settings.logging_extra_loggers]
        for logger in (ROOT, *others):
            logger.setLevel(session.settings.logging_level)
        for logger in (FLOW_LOGGER, TASK_LOGGER, *others):
            logger.addHandler(_STORE)
    return session
