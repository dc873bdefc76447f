"""The pool of threads: how many there are, when they start and end."""

import threading
from typing import Any

import pytest

from orchestration import ThreadPoolTaskRunner
from orchestration.domain.errors import UsageError
from orchestration.sdk.awaiting import THREAD
from orchestration.sdk.runners import MOST_THREADS

ENOUGH = 20.0


class Job:
    """A submission that does what it is told, and notes that it was done."""

    run = None

    def __init__(self, work: Any) -> None:
        self._work = work
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None

    def live(self) -> None:
        self.thread = threading.current_thread()
        self._work()
        self.done()

    def done(self) -> None:
        self.ended.set()


def _submit(runner: ThreadPoolTaskRunner, *works: Any) -> list[Job]:
    jobs = [Job(work) for work in works]
    for job in jobs:
        runner.submit(job)
    return jobs


def _end(runner: ThreadPoolTaskRunner, jobs: list[Job]) -> set[threading.Thread]:
    """Wait for all jobs, stop the runner, and see its threads end."""
    assert all(job.ended.wait(ENOUGH) for job in jobs)
    runner.stop()
    threads = {job.thread for job in jobs if job.thread is not None}
    for thread in threads:
        thread.join(ENOUGH)
    assert not any(thread.is_alive() for thread in threads)
    return threads


def test_a_pool_without_threads_is_refused() -> None:
    with pytest.raises(UsageError, match="max_workers is 0; use 1 or more"):
        ThreadPoolTaskRunner(max_workers=0)


def test_jobs_run_side_by_side_as_far_as_there_is_room() -> None:
    runner = ThreadPoolTaskRunner(max_workers=4)
    together = threading.Barrier(4)
    jobs = _submit(runner, *[lambda: together.wait(ENOUGH)] * 8)
    assert len(_end(runner, jobs)) == 4


def test_each_job_that_there_is_room_for_starts_even_when_a_thread_is_about_to_be_free() -> None:
    """Many rounds: a thread that has just taken a job must not be counted as free for the next one."""
    runner = ThreadPoolTaskRunner(max_workers=2)
    jobs: list[Job] = []
    for _ in range(200):
        together = threading.Barrier(2)
        pair = _submit(runner, *[lambda meet=together: meet.wait(ENOUGH)] * 2)
        assert all(job.ended.wait(ENOUGH) for job in pair)
        jobs += pair
    assert len(_end(runner, jobs)) <= 2


def test_one_worker_takes_one_job_after_the_other() -> None:
    runner = ThreadPoolTaskRunner(max_workers=1)
    order: list[int] = []
    jobs = _submit(runner, *[lambda number=number: order.append(number) for number in range(50)])
    assert len(_end(runner, jobs)) == 1
    assert order == list(range(50))


def test_waiting_jobs_get_all_threads_of_the_pool() -> None:
    runner = ThreadPoolTaskRunner()
    together = threading.Barrier(MOST_THREADS)
    jobs = _submit(runner, *[lambda: together.wait(ENOUGH)] * MOST_THREADS)
    assert len(_end(runner, jobs)) == MOST_THREADS


def test_only_one_thread_starts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.sdk.runners.LOOK_SECONDS", 2.0)  # nobody looks on while this test does
    runner = ThreadPoolTaskRunner()
    go = threading.Event()
    jobs = _submit(runner, *[lambda: go.wait(ENOUGH)] * 20)
    assert (runner._threads, runner._growing) == (1, True)
    go.set()
    assert len(_end(runner, jobs)) == 1


def test_jobs_that_compute_without_end_do_not_keep_others_waiting_for_ever() -> None:
    runner = ThreadPoolTaskRunner()
    released = threading.Event()

    def spin() -> None:
        while not released.is_set():
            pass

    jobs = _submit(runner, spin, released.set)
    assert len(_end(runner, jobs)) > 1


def test_a_place_that_is_lent_is_taken_and_given_back() -> None:
    runner = ThreadPoolTaskRunner(max_workers=1)
    second = threading.Event()

    def lending() -> None:
        with THREAD.lent():
            assert second.wait(ENOUGH)

    jobs = _submit(runner, lending, second.set)
    assert all(job.ended.wait(ENOUGH) for job in jobs)
    running: list[int] = []

    def note() -> None:
        running.append(1)
        assert len(running) == 1
        running.pop()

    jobs += _submit(runner, *[note] * 20)
    assert len({job.thread for job in jobs[2:]} - {None}) <= 2
    _end(runner, jobs)


def test_a_stopped_pool_starts_no_thread() -> None:
    runner = ThreadPoolTaskRunner(max_workers=1)
    runner.stop()
    (job,) = _submit(runner, lambda: None)
    assert not job.ended.is_set()
    assert runner._threads == 0


def test_a_duplicate_is_a_pool_of_its_own_with_the_same_limit() -> None:
    runner = ThreadPoolTaskRunner(max_workers=3)
    other = runner.duplicate()
    assert other is not runner
    assert (other._most, ThreadPoolTaskRunner().duplicate()._most) == (3, MOST_THREADS)
    runner.stop()
    jobs = _submit(other, lambda: None)
    _end(other, jobs)
