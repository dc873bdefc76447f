"""``ProcessPoolTaskRunner``: submitted tasks in processes of their own, for work that computes in Python."""

import multiprocessing
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from typing import Any, Self

import cloudpickle

from orchestration.domain.schemas.runs import TaskRun
from orchestration.domain.settings import Settings
from orchestration.domain.states import Crashed
from orchestration.sdk import lifecycle, logs, runners, task_engine
from orchestration.sdk.context import FLOW_RUN, TAGS, FlowRunContext, open_session, swap_session, within


class ProcessPoolTaskRunner:
    """Each submitted task runs in one of ``max_workers`` processes, which are used again and again."""

    def __init__(self, max_workers: int | None = None) -> None:
        self._max_workers = runners.checked_workers(max_workers)
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, submission: runners.Submitted) -> None:
        """Send a task run to a process; its states and logs are written there, its end is noted here too."""
        run: task_engine.TaskExecution = submission.run
        if run.refusal() is not None:
            submission.done()
            return
        run.session.recorder.flush()  # the process goes on from the row that is written here
        try:
            if self._pool is None:
                spawn = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self._max_workers, spawn, _open_store, (run.session.settings,))
            future = self._pool.submit(_live, _work(run))
        except Exception as error:  # arguments that cannot be pickled, a pool that broke
            future = Future()
            future.set_exception(error)
        future.add_done_callback(partial(_finish, submission))

    def stop(self) -> None:
        """Let the processes end."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def duplicate(self) -> Self:
        """A fresh pool of the same size."""
        return type(self)(self._max_workers)


def _work(run: task_engine.TaskExecution) -> bytes:
    """All that a process must know to live a task run in another one's stead."""
    around: Any = run.flow  # without a flow nothing can be submitted
    flow = around.run, around.parameters, around.results, around.log_prints
    return bytes(cloudpickle.dumps((run.decorated, run.parameters, run.record, TAGS.get(), flow)))


def _finish(submission: runners.Submitted, ended: Future[bytes]) -> None:
    """Take over the state that the process came to; a process that died leaves a crash."""
    run: task_engine.TaskExecution = submission.run
    try:
        record: TaskRun = cloudpickle.loads(ended.result())
        for name in ("state", "name", "run_count", "start_time", "end_time", "total_run_time", "cache_key"):
            setattr(run.record, name, getattr(record, name))
    except (CancelledError, BrokenProcessPool):
        run.enter(Crashed("The process that ran the task ended without a word; it was killed, or ran out of memory."))
    except Exception as error:  # a result that cannot be pickled
        run.enter(lifecycle.state_of_error(error, lifecycle.TASK_RAISED))
    finally:
        submission.done()


def _open_store(settings: Settings) -> None:
    """Open the store of the process that sends the work."""
    swap_session(open_session(settings))


def _live(work: bytes) -> bytes:
    """Live a task run in this process; its record, with its result, goes back."""
    task, parameters, record, tags, (run, given, results, log_prints) = cloudpickle.loads(work)
    session = logs.started_session()
    runner = runners.ThreadPoolTaskRunner(session.settings.task_runner_max_workers)
    flow = FlowRunContext(run, session, given, runner, results, log_prints)
    with within((FLOW_RUN, flow), (TAGS, tags)), suppress(BaseException):  # the state tells; other runs are to follow
        task_engine.TaskExecution(task, parameters, record, session, flow, ()).live()
    session.recorder.flush()
    if isinstance(record.state.data, BaseException):
        try:
            cloudpickle.loads(cloudpickle.dumps(record.state.data))
        except Exception:  # it cannot travel; the state's message still tells of it
            record.state = record.state.evolve(data=None)
    return bytes(cloudpickle.dumps(record))
