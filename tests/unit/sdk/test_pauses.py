"""Flow runs that pause, suspend and go on, with and without an input from a person."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError

from orchestration import (
    Cancelling,
    Running,
    State,
    Suspended,
    aresume_flow_run,
    flow,
    pause_flow_run,
    resume_flow_run,
    runtime,
    suspend_flow_run,
    task,
)
from orchestration.backend.clock import new_id
from orchestration.domain.errors import MissingContextError, ObjectNotFound, PauseTimeoutError, UsageError
from orchestration.sdk.awaiting import at_once
from orchestration.sdk.client import SyncClient
from orchestration.sdk.context import Session
from orchestration.sdk.flow_engine import FlowExecution
from orchestration.sdk.lifecycle import drive
from orchestration.sdk.pauses import apause_flow_run, asuspend_flow_run

pytestmark = pytest.mark.usefixtures("session")

POLL = 0.001


class Approval(BaseModel):
    """What a person is asked for."""

    by: str
    margin: float = 0.1


def _states(client: SyncClient, run_id: UUID) -> list[str]:
    return [state.name for state in client.read_flow_run_states(run_id)]


def _id_of(run: Any) -> UUID:
    found: UUID = run.details.flow_run_id
    return found


def _once_paused(client: SyncClient) -> UUID:
    """The id of the one flow run there is, as soon as it is paused."""
    tick = threading.Event()
    while not tick.wait(POLL):
        runs = client.read_flow_runs()
        if runs and runs[0].state_name == "Paused":
            break
    return runs[0].id


class Person:
    """Resumes each pause of the one flow run there is with the next of their answers, in a thread of their own."""

    def __init__(self, client: SyncClient, *answers: Any) -> None:
        self._client = client
        self._answers = answers
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.given = 0

    def __enter__(self) -> "Person":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        while self.given < len(self._answers) and not self._stopped.wait(POLL):
            runs = self._client.read_flow_runs()
            if runs and runs[0].state is not None and runs[0].state.is_paused():
                resume_flow_run(runs[0].id, run_input=self._answers[self.given])
                self.given += 1


def _again(function: Any, session: Session, run_id: UUID) -> State:
    """Start a run that was suspended and resumed once more, as a worker would."""
    record = session.backend.flow_run(run_id)
    assert record.state is not None
    return at_once(drive(FlowExecution(function, {}, record, session, None)))


def test_a_paused_run_goes_on_where_it_is_when_it_is_resumed(client: SyncClient) -> None:
    told: list[str] = []

    @flow
    def main() -> str:
        told.append("before")
        answer = pause_flow_run(timeout=30, poll_interval=POLL)
        told.append("after")
        return f"answer {answer}"

    with Person(client, None) as person:
        state = main(return_state=True)
    assert (state.result(), told, person.given) == ("answer None", ["before", "after"], 1)
    assert _states(client, _id_of(state)) == ["Pending", "Running", "Paused", "Running", "Completed"]
    messages = [line.message for line in client.read_logs()]
    assert "Pausing flow, execution will continue when this flow run is resumed." in messages
    assert "Resuming flow run execution!" in messages


def test_a_pause_without_end_looks_again_and_again(client: SyncClient) -> None:
    @flow
    def main() -> None:
        pause_flow_run(poll_interval=POLL)
        pause_flow_run(poll_interval=POLL)

    with Person(client, None, None):
        state = main(return_state=True)
    assert _states(client, _id_of(state)).count("Paused") == 2
    keys = [each.details.pause_key for each in client.read_flow_run_states(_id_of(state)) if each.is_paused()]
    assert keys == ["1", "2"]


@pytest.mark.parametrize(
    ("wanted", "given", "answer"),
    [
        (int, 5, 5),
        (list[str], ["a", "b"], ["a", "b"]),
        (Approval, {"by": "Ada"}, Approval(by="Ada")),
        (Approval, Approval(by="Ada", margin=0.5), Approval(by="Ada", margin=0.5)),
        (bool, False, False),
    ],
)
def test_a_resume_brings_the_value_that_the_pause_asked_for(
    wanted: Any, given: Any, answer: Any, client: SyncClient
) -> None:
    @flow
    def main() -> Any:
        return pause_flow_run(wait_for_input=wanted, timeout=30, poll_interval=POLL)

    with Person(client, given):
        value = main()
    assert value == answer
    assert type(value) is type(answer)


def test_two_pauses_have_answers_of_their_own(client: SyncClient) -> None:
    @flow
    def main() -> list[int]:
        keys: list[str | None] = [None, "named"]
        return [pause_flow_run(wait_for_input=int, timeout=30, poll_interval=POLL, key=key) for key in keys]

    with Person(client, 1, 2):
        assert main() == [1, 2]


def test_the_schema_of_what_is_asked_for_is_stored(client: SyncClient, session: Session) -> None:
    @flow
    def main() -> None:
        pause_flow_run(wait_for_input=Approval, timeout=30, poll_interval=POLL)

    with Person(client, {"by": "Ada"}):
        state = main(return_state=True)
    schema = session.backend.read("inputs", flow_run_id=_id_of(state), key="paused-1-schema")
    assert '"required": ["by"]' in schema["value"]


def test_a_resume_without_the_value_fails_the_run_and_says_so(client: SyncClient) -> None:
    @flow
    def main() -> None:
        pause_flow_run(wait_for_input=int, timeout=30, poll_interval=POLL)

    with Person(client, None), pytest.raises(UsageError, match="without its input"):
        main()


def test_a_value_of_another_type_fails_the_run(client: SyncClient) -> None:
    @flow
    def main() -> None:
        pause_flow_run(wait_for_input=int, timeout=30, poll_interval=POLL)

    with Person(client, "many"), pytest.raises(ValidationError):
        main()


@pytest.mark.parametrize("pause", [pause_flow_run, apause_flow_run])
def test_an_async_run_pauses_without_holding_up_its_loop(pause: Callable[..., Any], client: SyncClient) -> None:
    @flow
    async def main() -> Any:
        return await pause(wait_for_input=int, timeout=30, poll_interval=POLL)

    async def both() -> Any:
        running = asyncio.ensure_future(main())
        run_id = await asyncio.to_thread(_once_paused, client)
        await aresume_flow_run(run_id, run_input=3)
        return await running

    assert asyncio.run(both()) == 3


def test_nobody_resumes_a_run_in_time(client: SyncClient) -> None:
    told: list[str] = []

    @flow
    def main() -> None:
        pause_flow_run(timeout=0.02, poll_interval=POLL)
        told.append("never")

    with pytest.raises(PauseTimeoutError, match="never resumed"):
        main()
    assert told == []
    (run,) = client.read_flow_runs()
    assert run.state_name == "Failed"
    with pytest.raises(UsageError, match="is Failed, not paused"):
        resume_flow_run(run.id)


def test_a_task_can_pause_its_flow(client: SyncClient) -> None:
    @task
    def ask() -> Any:
        return pause_flow_run(wait_for_input=int, timeout=30, poll_interval=POLL)

    @flow
    def main() -> Any:
        return ask.submit().result()

    with Person(client, 4):
        assert main() == 4


@pytest.mark.parametrize("call", [pause_flow_run, suspend_flow_run])
def test_outside_of_flows_there_is_nothing_to_pause(call: Callable[[], Any]) -> None:
    with pytest.raises(MissingContextError, match="call this inside a flow"):
        call()


def test_what_is_not_paused_cannot_be_resumed(client: SyncClient) -> None:
    ids: list[UUID] = []

    @flow
    def main() -> None:
        ids.append(UUID(runtime.flow_run.id))
        with pytest.raises(UsageError, match="is Running, not paused"):
            resume_flow_run(ids[0])

    main()
    with pytest.raises(UsageError, match="is Completed, not paused"):
        resume_flow_run(ids[0])
    with pytest.raises(ObjectNotFound):
        resume_flow_run(new_id())
    assert _states(client, ids[0]) == ["Pending", "Running", "Completed"]


def test_a_run_that_is_being_cancelled_cannot_be_paused(client: SyncClient) -> None:
    @flow
    def main() -> None:
        client.set_flow_run_state(client.read_flow_runs()[0].id, Cancelling())
        pause_flow_run(timeout=0)

    with pytest.raises(UsageError, match="cannot be paused"):
        main()


def test_a_suspended_run_ends_its_process_and_runs_again_past_that_point(client: SyncClient, session: Session) -> None:
    told: list[str] = []

    @flow
    def main() -> int:
        told.append(f"start {runtime.flow_run.run_count}")
        answer: int = suspend_flow_run(wait_for_input=int, timeout=60)
        told.append("past it")
        suspend_flow_run(key="second")
        told.append("past both")
        return answer

    state = main(return_state=True)
    run_id = _id_of(state)
    assert (state.name, state.is_paused()) == ("Suspended", True)
    assert told == ["start 1"]
    schema = session.backend.read("inputs", flow_run_id=run_id, key="suspended-1-schema")
    assert schema["value"] == '{"type": "integer"}'

    resume_flow_run(run_id, run_input=7)
    assert client.read_flow_run(run_id).state_name == "Resuming"
    assert _again(main, session, run_id).name == "Suspended"
    assert told == ["start 1", "start 2", "past it"]

    resume_flow_run(run_id)
    assert _again(main, session, run_id).result() == 7
    assert told[3:] == ["start 3", "past it", "past both"]
    assert _states(client, run_id).count("Suspended") == 2
    assert client.read_flow_run(run_id).run_count == 3


def test_a_suspended_run_has_no_result_yet() -> None:
    @flow
    def main() -> None:
        suspend_flow_run()

    state = main(return_state=True)
    assert state.details.pause_timeout is not None
    assert state.details.pause_reschedule is True


def test_a_run_may_suspend_itself_by_its_id() -> None:
    @flow
    def main() -> None:
        suspend_flow_run(flow_run_id=UUID(runtime.flow_run.id))
        raise AssertionError("past the suspension")

    assert main(return_state=True).name == "Suspended"


def test_a_subflow_can_be_paused_and_not_suspended(client: SyncClient) -> None:
    @flow
    def inner() -> Any:
        with pytest.raises(UsageError, match="a subflow cannot be suspended"):
            suspend_flow_run()
        return pause_flow_run(wait_for_input=int, timeout=30, poll_interval=POLL)

    @flow
    def main() -> Any:
        return inner()

    with Person(client, 5):
        assert main() == 5


def test_a_run_that_starts_again_is_not_paused_at_the_same_point_again(client: SyncClient) -> None:
    answers: list[int] = []

    @flow(retries=1)
    def main() -> int:
        answers.append(pause_flow_run(wait_for_input=int, timeout=30, poll_interval=POLL))
        if len(answers) == 1:
            raise ValueError("boom")
        return sum(answers)

    with Person(client, 4):
        state = main(return_state=True)
    assert state.result() == 8
    assert _states(client, _id_of(state)).count("Paused") == 1


@pytest.mark.parametrize("suspend", [suspend_flow_run, asuspend_flow_run])
def test_an_async_run_can_be_suspended(suspend: Callable[..., Any], client: SyncClient) -> None:
    told: list[str] = []

    @flow
    async def main() -> None:
        await suspend(timeout=None)
        told.append("never")

    state = asyncio.run(main(return_state=True))
    assert (state.name, state.details.pause_timeout, told) == ("Suspended", None, [])
    assert [run.state_name for run in client.read_flow_runs()] == ["Suspended"]


def test_another_run_can_be_suspended(client: SyncClient) -> None:
    @flow
    def other() -> None:
        run_id = UUID(runtime.flow_run.id)
        with ThreadPoolExecutor(1) as elsewhere:  # in whose threads no run is current
            elsewhere.submit(suspend_flow_run, flow_run_id=run_id, timeout=60).result()
        assert client.read_flow_run(run_id).state_name == "Suspended"
        resume_flow_run(run_id)
        assert client.read_flow_run(run_id).state_name == "Resuming"
        client.set_flow_run_state(run_id, Running(), force=True)

    other()
    (run,) = client.read_flow_runs()
    with pytest.raises(UsageError, match="cannot be suspended"):
        suspend_flow_run(flow_run_id=run.id, timeout=None)
    assert client.read_flow_run(run.id).state_name == "Completed"


def test_an_answer_that_was_given_before_is_replaced(client: SyncClient, session: Session) -> None:
    @flow
    def main() -> Any:
        return suspend_flow_run(wait_for_input=int)

    run_id = _id_of(main(return_state=True))
    paused = client.read_flow_run(run_id).state
    assert paused is not None
    resume_flow_run(run_id, run_input=1)
    client.set_flow_run_state(run_id, Suspended().evolve(details=paused.details), force=True)
    resume_flow_run(run_id, run_input=2)
    assert _again(main, session, run_id).result() == 2
