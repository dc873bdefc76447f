"""``ProcessPoolTaskRunner``: submitted tasks in processes of their own, for work that computes in Python."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import cloudpickle

from orchestration.domain.errors import UsageError
from orchestration.domain.schemas.recording import TaskRunRecord
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.settings import Settings
from orchestration.domain.states import Crashed, State
from orchestration.sdk.context import FLOW_RUN, TAGS, FlowRunContext, ResultOptions
from orchestration.sdk.outcomes import TASK_RAISED, state_of_error
from orchestration.sdk.runners import Submitted, ThreadPoolTaskRunner, usable_cores
from orchestration.sdk.session import current_session, open_session, swap_session
from orchestration.sdk.start import started_session
from orchestration.sdk.task_engine import TaskExecution


@dataclass(frozen=True, slots=True)
class _Work:
    """All that a process must know to live a task run in another one's stead."""

    settings: Settings
    task: Any
    parameters: dict[str, Any]
    record: TaskRunRecord
    run: FlowRun | None
    flow_parameters: dict[str, Any]
    results: ResultOptions
    log_prints: bool
    tags: frozenset[str]


class ProcessPoolTaskRunner:
    """Each submitted task runs in one of ``max_workers`` processes, which are used again and again."""

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise UsageError(f"max_workers is {max_workers}; use 1 or more.")
        self._max_workers = max_workers
        self._pool: ProcessPoolExecutor | None = None

    def start(self) -> None:
        """Nothing: processes start as tasks come."""

    def submit(self, submission: Submitted) -> None:
        """Send a task run to a process; its states and logs are written there, its end is noted here too."""
        run: TaskExecution = submission.run
        if not run.is_ready():
            submission.done()
            return
        run.session.recorder.flush()  # the process goes on from the row that is written here
        try:
            future = self._started().submit(_live, cloudpickle.dumps(_work(run)))
        except Exception as error:  # arguments that cannot be pickled, a pool that broke
            run.enter(state_of_error(error, TASK_RAISED))
            submission.done()
            return
        future.add_done_callback(partial(_finish, submission))

    def stop(self) -> None:
        """Let the processes end."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def duplicate(self) -> ProcessPoolTaskRunner:
        """A fresh pool of the same size."""
        return ProcessPoolTaskRunner(self._max_workers)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._max_workers or usable_cores(), mp_context=context)
        return self._pool


def _work(run: TaskExecution) -> _Work:
    flow = run.flow
    return _Work(
        run.session.settings,
        run.decorated,
        run.parameters,
        run.record,
        flow.run if flow is not None else None,
        flow.parameters if flow is not None else {},
        flow.results if flow is not None else ResultOptions(),
        flow.log_prints if flow is not None else False,
        TAGS.get(),
    )


def _finish(submission: Submitted, ended: Future[bytes]) -> None:
    """Take over the state that the process came to; a process that died leaves a crash."""
    run: TaskExecution = submission.run
    try:
        record: TaskRunRecord = cloudpickle.loads(ended.result())
        for name in ("state", "name", "run_count", "start_time", "end_time", "total_run_time", "cache_key"):
            setattr(run.record, name, getattr(record, name))
    except (CancelledError, BrokenProcessPool):
        run.enter(Crashed("The process that ran the task ended without a word; it was killed, or ran out of memory."))
    except Exception as error:  # a result that cannot be pickled
        run.enter(state_of_error(error, TASK_RAISED))
    finally:
        submission.done()


def _live(work: bytes) -> bytes:
    """Live a task run in this process; its record, with its result, goes back."""
    sent: _Work = cloudpickle.loads(work)
    _open_store(sent.settings)
    session = started_session()
    flow = None
    if sent.run is not None:
        runner = ThreadPoolTaskRunner(session.settings.task_runner_max_workers)
        flow = FlowRunContext(sent.run, session, sent.flow_parameters, runner, sent.results, sent.log_prints)
    tokens = FLOW_RUN.set(flow), TAGS.set(sent.tags)
    try:
        run = TaskExecution(sent.task, sent.parameters, sent.record, session, flow, ())
        with suppress(BaseException):  # the run's state tells of it, and the process serves other runs
            run.live()
    finally:
        TAGS.reset(tokens[1])
        FLOW_RUN.reset(tokens[0])
        session.recorder.flush()
    sent.record.state = _portable(sent.record.state)
    lived: bytes = cloudpickle.dumps(sent.record)
    return lived


def _portable(state: State) -> State:
    """The state, without its exception when that cannot travel: the message still tells of it."""
    if isinstance(state.data, BaseException):
        try:
            cloudpickle.loads(cloudpickle.dumps(state.data))
        except Exception:
            return state.evolve(data=None)
    return state


def _open_store(settings: Settings) -> None:
    """Open the store of the process that sent the work, unless it is open already."""
    global _opened  # noqa: PLW0603 - the store that is open in this process
    if _opened != settings:
        swap_session(open_session(settings))
        _opened = settings
    current_session()


_opened: Settings | None = None
