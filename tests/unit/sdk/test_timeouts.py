"""Time limits: in the main thread, in pool threads, within each other, and of async code."""

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from orchestration import State, ThreadPoolTaskRunner, flow, task
from orchestration.domain.errors import RunTimeoutError
from orchestration.sdk import awaiting
from orchestration.sdk.awaiting import call_within
from orchestration.sdk.client import SyncClient

pytestmark = pytest.mark.usefixtures("session")
BRIEF = 0.05
ENOUGH = 20.0
"""Seconds after which something that ought to happen at once is given up."""


def _in_other_thread(call: Callable[[], Any]) -> Any:
    """What the call returns or raises in a thread that is not the main one."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(call())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(ENOUGH)
    return outcome[0]


def _busy(stopped: threading.Event) -> None:
    """Compute until somebody ends this."""
    try:
        until = time.monotonic() + ENOUGH
        while time.monotonic() < until:
            pass
    finally:
        stopped.set()


def test_code_in_time_returns_and_raises_as_ever() -> None:
    def wrong() -> None:
        raise KeyError("x")

    assert call_within(ENOUGH, lambda: 1) == 1
    assert _in_other_thread(lambda: call_within(ENOUGH, lambda: 2)) == 2
    with pytest.raises(KeyError):
        call_within(ENOUGH, wrong)
    assert isinstance(_in_other_thread(lambda: call_within(ENOUGH, wrong)), KeyError)


def test_code_that_waits_is_stopped_in_the_main_thread() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(RunTimeoutError, match=r"The time limit of 0.05 second\(s\) was exceeded"):
        call_within(BRIEF, lambda: threading.Event().wait(ENOUGH))
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


@pytest.mark.parametrize("in_main", [True, False])
def test_code_that_computes_is_stopped(in_main: bool) -> None:
    stopped = threading.Event()

    def call() -> Any:
        return call_within(BRIEF, lambda: _busy(stopped))

    if in_main:
        with pytest.raises(RunTimeoutError):
            call()
    else:
        assert isinstance(_in_other_thread(call), RunTimeoutError)
    assert stopped.wait(ENOUGH)


def test_code_cannot_swallow_the_end_of_its_time() -> None:
    def stubborn() -> str:
        try:
            threading.Event().wait(ENOUGH)
        except Exception:
            return "swallowed"
        return "in time"

    with pytest.raises(RunTimeoutError):
        call_within(BRIEF, stubborn)


@pytest.mark.skipif(
    sys.gettrace() is not None and sys.version_info < (3, 12),
    reason="CPython 3.11 spins in every traced call while an exception is pending in a thread that is blocked",
)
def test_a_thread_that_waits_in_the_system_is_left_behind_at_once() -> None:
    let_go = threading.Event()
    try:
        outcome = _in_other_thread(lambda: call_within(BRIEF, lambda: let_go.wait(ENOUGH)))
        assert isinstance(outcome, RunTimeoutError)
    finally:
        let_go.set()


def test_without_alarms_the_main_thread_waits_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "setitimer")
    assert call_within(ENOUGH, lambda: threading.current_thread().name) == "orchestration-timed"


def test_the_shorter_of_two_limits_strikes() -> None:
    def inner(seconds: float) -> Any:
        return call_within(seconds, lambda: threading.Event().wait(ENOUGH))

    with pytest.raises(RunTimeoutError, match=r"limit of 0.05 "):
        call_within(BRIEF, lambda: inner(ENOUGH))
    with pytest.raises(RunTimeoutError, match=r"limit of 0.05 "):
        call_within(ENOUGH, lambda: inner(BRIEF))


def test_the_outer_limit_goes_on_after_an_inner_one() -> None:
    left: list[float] = []

    def outer() -> None:
        assert call_within(1.0, lambda: "in time") == "in time"
        left.append(signal.getitimer(signal.ITIMER_REAL)[0])
        with pytest.raises(RunTimeoutError, match=r"limit of 0.01 "):
            call_within(0.01, lambda: threading.Event().wait(ENOUGH))
        left.append(signal.getitimer(signal.ITIMER_REAL)[0])

    call_within(ENOUGH, outer)
    assert ENOUGH >= left[0] > left[1] > 0


def test_the_outer_limit_passes_through_an_inner_one() -> None:
    """Within the inner limit's own time, the outer one strikes and is not taken for the inner one."""

    def inner() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise awaiting._Expired

    with pytest.raises(awaiting._Expired):
        call_within(ENOUGH, inner)


@pytest.mark.parametrize("how", ["called", "submitted", "async"])
def test_a_task_that_takes_too_long_is_timed_out(how: str, client: SyncClient) -> None:
    @task(timeout_seconds=BRIEF)
    def work() -> None:
        threading.Event().wait(0.5)

    @task(timeout_seconds=BRIEF)
    async def awork() -> None:
        await asyncio.Event().wait()

    @flow
    def main() -> State:
        return work.submit(return_state=True) if how == "submitted" else work(return_state=True)

    @flow
    async def amain() -> State:
        return await awork(return_state=True)

    state = asyncio.run(amain(return_state=True)) if how == "async" else main(return_state=True)
    assert state.is_failed()
    (run,) = client.read_task_runs()
    assert (run.state_type, run.state_name) == ("FAILED", "TimedOut")
    assert run.state is not None
    assert run.state.message == "The time limit of 0.05 second(s) was exceeded."


@pytest.mark.parametrize("is_async", [False, True])
def test_a_flow_that_takes_too_long_is_timed_out_and_raises(is_async: bool, client: SyncClient) -> None:
    @flow(timeout_seconds=BRIEF)
    def main() -> None:
        threading.Event().wait(ENOUGH)

    @flow(timeout_seconds=BRIEF)
    async def amain() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="time limit"):
        asyncio.run(amain()) if is_async else main()
    assert client.read_flow_runs()[0].state_name == "TimedOut"


def test_a_timed_out_task_is_tried_again(client: SyncClient) -> None:
    tries: list[int] = []

    @task(timeout_seconds=BRIEF, retries=1)
    def work() -> str:
        tries.append(1)
        if len(tries) == 1:
            threading.Event().wait(ENOUGH)
        return "done"

    assert work() == "done"
    assert client.read_task_runs()[0].run_count == 2


@pytest.mark.parametrize("is_async", [False, True])
def test_a_time_out_of_the_code_itself_is_no_time_out_of_the_run(is_async: bool) -> None:
    @task(timeout_seconds=ENOUGH)
    def work() -> None:
        raise TimeoutError("the peer is slow")

    @task(timeout_seconds=ENOUGH)
    async def awork() -> None:
        raise TimeoutError("the peer is slow")

    state: State = asyncio.run(awork(return_state=True)) if is_async else work(return_state=True)
    assert state.name == "Failed"
    assert "the peer is slow" in str(state.message)


def test_a_timed_task_that_waits_for_another_lends_its_place() -> None:
    @task
    def inner() -> int:
        return 1

    @task(timeout_seconds=ENOUGH)
    def outer() -> int:
        return int(inner.submit().result()) + 1

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def main() -> int:
        return int(outer.submit().result())

    assert main() == 2
