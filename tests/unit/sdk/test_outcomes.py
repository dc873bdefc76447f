"""From what code returned or raised to a state."""

import asyncio
from typing import Any

import pytest

from orchestration import Cancelled, Completed, Failed, Running, State, flow, task
from orchestration.backend.clock import new_id
from orchestration.domain.errors import RunTimeoutError
from orchestration.domain.states import StateDetails
from orchestration.sdk.lifecycle import state_of_error, state_of_value

OF_A_RUN = StateDetails(task_run_id=new_id())


def test_a_value_is_the_result_of_a_completed_run() -> None:
    for value in (None, 0, [], [1, Completed()], "text"):
        state = state_of_value(value)
        assert (state.name, state.message, state.data) == ("Completed", None, value)


def test_a_state_of_the_user_is_taken_as_it_is() -> None:
    mine = Completed("fine", name="Skipped")
    assert state_of_value(mine) is mine


@pytest.mark.parametrize(
    ("value", "name", "message"),
    [
        (Completed(details=OF_A_RUN), "Completed", "All states completed."),
        (Failed(details=StateDetails(flow_run_id=new_id())), "Failed", "1/1 states failed."),
        ([Completed(), Completed()], "Completed", "All states completed."),
        ((Completed(), Failed(), Cancelled()), "Failed", "2/3 states failed."),
        ([Completed(), Running(), Failed()], "Failed", "1/3 states are not final."),
        ({Completed()}, "Completed", "All states completed."),
    ],
)
def test_states_of_runs_are_counted(value: Any, name: str, message: str) -> None:
    state = state_of_value(value)
    assert (state.name, state.message) == (name, message)
    assert state.data == value


@pytest.mark.usefixtures("session")
def test_futures_count_as_the_states_in_which_they_end() -> None:
    @task
    def work(x: int) -> int:
        return 1 // x

    @flow
    def main() -> State:
        return state_of_value([work.submit(1), work.submit(0)])

    inner = main(return_state=True)
    assert inner.message == "1/2 states failed."


def test_an_error_is_a_failure_and_the_end_of_time_has_a_name_of_its_own() -> None:
    error = ValueError("x")
    failed = state_of_error(error, "Task run encountered an exception")
    assert (failed.name, failed.message) == ("Failed", "Task run encountered an exception ValueError: x")
    assert failed.data is error
    late = state_of_error(RunTimeoutError("too long"), "unused")
    assert (late.name, late.message, late.is_failed()) == ("TimedOut", "too long", True)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyboardInterrupt(), "Execution was aborted by an interrupt signal."),
        (SystemExit(1), "Execution was aborted by Python system exit call."),
        (asyncio.CancelledError(), "Execution was cancelled by the runtime environment."),
        (GeneratorExit("x"), "Execution was interrupted by an unexpected exception: GeneratorExit: x"),
    ],
)
def test_a_crash_says_what_ended_the_run(error: BaseException, message: str) -> None:
    state = state_of_error(error, "")
    assert (state.name, state.message) == ("Crashed", message)
    assert state.data is error
