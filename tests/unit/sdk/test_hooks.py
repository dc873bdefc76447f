"""Hooks: who is told of which state, in which order, and what becomes of their errors."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from orchestration import Cancelled, Crashed, Pending, State, flow, task
from orchestration.sdk.client import SyncClient
from orchestration.sdk.lifecycle import hooks_for

pytestmark = pytest.mark.usefixtures("session")
KINDS = ("on_running", "on_completion", "on_failure", "on_cancellation", "on_crashed")


class Told:
    """What hooks were told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def hook(self, name: str, error: Exception | None = None) -> Callable[..., None]:
        def tell(subject: Any, run: Any, state: State) -> None:
            self.lines.append(f"{name}: {subject.name} {run.name} {state.name}")
            if error is not None:
                raise error

        tell.__name__ = name
        return tell

    def ahook(self, name: str, error: Exception | None = None) -> Callable[..., Any]:
        tell = self.hook(name, error)

        async def later(subject: Any, run: Any, state: State) -> None:
            await asyncio.sleep(0)
            tell(subject, run, state)

        later.__name__ = name
        return later

    def all_kinds(self) -> Any:
        return {kind: [self.hook(kind)] for kind in KINDS}


@pytest.fixture
def told() -> Told:
    return Told()


def _lines(client: SyncClient) -> list[str]:
    return [line.message.partition("\n")[0] for line in client.read_logs() if "ook" in line.message]


def test_a_flow_s_hooks_are_told_of_their_states_in_order(told: Told) -> None:
    hooks: Any = {**told.all_kinds(), "on_completion": [told.hook("first"), told.ahook("second")]}

    @flow(name="good", flow_run_name="run", **hooks)
    def good() -> None:
        told.lines.append("body")

    good()
    assert told.lines == [
        "on_running: good run Running", "body", "first: good run Completed", "second: good run Completed",
    ]  # fmt: skip


def test_a_failure_is_told_once_after_all_tries(told: Told) -> None:
    @flow(name="bad", flow_run_name="run", retries=1, **told.all_kinds())
    def bad() -> None:
        raise ValueError("x")

    assert bad(return_state=True).is_failed()
    assert told.lines == [
        "on_running: bad run Running", "on_running: bad run Retrying", "on_failure: bad run Failed",
    ]  # fmt: skip


def test_a_returned_cancellation_and_a_crash_are_told(told: Told) -> None:
    @flow(name="cancelled", flow_run_name="run", **told.all_kinds())
    def cancelled() -> State:
        return Cancelled("no more")

    @flow(name="crashed", flow_run_name="run", **told.all_kinds())
    def crashed() -> None:
        raise SystemExit(1)

    cancelled(return_state=True)
    with pytest.raises(SystemExit):
        crashed()
    assert told.lines == [
        "on_running: cancelled run Running", "on_cancellation: cancelled run Cancelled",
        "on_running: crashed run Running", "on_crashed: crashed run Crashed",
    ]  # fmt: skip


@pytest.mark.parametrize("is_async", [False, True])
def test_a_task_s_hooks_are_told(is_async: bool, told: Told) -> None:
    hooks: Any = {kind: [told.hook(kind), told.ahook(f"a-{kind}")] for kind in KINDS[:3]}

    @task(name="work", task_run_name="run", **hooks)
    def work(error: Exception | None) -> None:
        if error is not None:
            raise error

    @task(name="work", task_run_name="run", **hooks)
    async def awork(error: Exception | None) -> None:
        if error is not None:
            raise error

    def call(error: Exception | None) -> None:
        _ = asyncio.run(awork(error, return_state=True)) if is_async else work(error, return_state=True)

    call(None)
    assert told.lines == [
        "on_running: work run Running", "a-on_running: work run Running",
        "on_completion: work run Completed", "a-on_completion: work run Completed",
    ]  # fmt: skip
    told.lines.clear()
    call(ValueError("x"))
    assert told.lines[2:] == ["on_failure: work run Failed", "a-on_failure: work run Failed"]


@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_of_a_hook_is_logged_and_changes_nothing(is_async: bool, told: Told, client: SyncClient) -> None:
    error = ValueError("of a hook")
    hooks: Any = {"on_completion": [told.hook("one", error), told.ahook("two", error), told.ahook("three")]}

    @flow(**hooks)
    def main() -> str:
        return "value"

    @flow(**hooks)
    async def amain() -> str:
        return "value"

    assert (asyncio.run(amain()) if is_async else main()) == "value"
    assert len(told.lines) == 3
    assert _lines(client) == [
        "Running hook 'one' in response to entering state 'Completed'",
        "An error was encountered while running hook 'one'",
        "Running hook 'two' in response to entering state 'Completed'",
        "An error was encountered while running hook 'two'",
        "Running hook 'three' in response to entering state 'Completed'",
        "Hook 'three' finished running successfully",
    ]
    assert any("ValueError: of a hook" in line.message for line in client.read_logs())


def test_a_hook_without_a_name_is_named_by_what_it_is(client: SyncClient) -> None:
    class Teller:
        def __call__(self, *_: Any) -> None:
            return

        def __repr__(self) -> str:
            return "a teller"

    @flow(on_completion=[Teller()])
    def main() -> None:
        return

    main()
    assert "Hook 'a teller' finished running successfully" in _lines(client)


def test_hooks_are_added_by_decorating_as_well(told: Told) -> None:
    @flow(name="main", flow_run_name="run")
    def main() -> None:
        return

    main.on_completion(told.hook("decorated"))
    main()
    assert told.lines == ["decorated: main run Completed"]


def test_states_without_hooks_have_none() -> None:
    @task
    def work() -> None:
        return

    assert list(hooks_for(work, Pending())) == []
    assert list(hooks_for(work, Crashed())) == []
