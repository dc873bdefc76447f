"""Pausing, suspending and resuming flow runs, with or without an input from a person."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import (
    MissingContextError,
    ObjectNotFound,
    PauseTimeoutError,
    SuspendSignal,
    UsageError,
)
from orchestration.domain.rules import Abort, Wait
from orchestration.domain.states import Paused, Running, Scheduled, State
from orchestration.sdk.awaiting import awaited, either
from orchestration.sdk.context import FLOW_RUN, TASK_RUN, FlowRunContext
from orchestration.sdk.logs import get_run_logger
from orchestration.sdk.session import Session
from orchestration.sdk.start import started_session


@either
def pause_flow_run(
    wait_for_input: Any = None, timeout: float = 3600, poll_interval: float = 10, key: str | None = None
) -> Any:
    """Wait here, in the Paused state, until somebody resumes the run.

    Args:
        wait_for_input: a type that pydantic knows; the resume must then bring a value of it, which is returned.
        timeout: seconds until the run fails because nobody resumed it.
        poll_interval: seconds between two looks at the state.
        key: names this pause; by default the number of the pause in this run.

    Raises:
        MissingContextError: outside a flow.
        PauseTimeoutError: nobody resumed the run in time.
    """
    flow = _current_flow()
    pause = _pause(flow.run.id, "Paused", _key(flow, key), timeout, wait_for_input)
    if _enter(flow, pause, wait_for_input):
        get_run_logger().info("Pausing flow, execution will continue when this flow run is resumed.")
        _wait_until_resumed(flow, timeout, poll_interval)
        get_run_logger().info("Resuming flow run execution!")
    return _answer(flow, pause, wait_for_input)


@either
def suspend_flow_run(
    wait_for_input: Any = None,
    flow_run_id: UUID | None = None,
    timeout: float | None = 3600,
    key: str | None = None,
) -> Any:
    """End the process of the run in the Suspended state; a resume runs the flow again, past this point.

    Args:
        wait_for_input: a type that pydantic knows; the resume must then bring a value of it, which is returned.
        flow_run_id: another run to suspend; the current one unless given.
        timeout: seconds until a resume comes too late.
        key: names this pause; by default the number of the pause in this run.

    Raises:
        MissingContextError: outside a flow, without ``flow_run_id``.
        UsageError: the run is a part of another flow run, whose process cannot end for it.
    """
    current = FLOW_RUN.get()
    if flow_run_id is not None and (current is None or str(current.run.id) != str(flow_run_id)):
        return _propose(started_session(), flow_run_id, _pause(flow_run_id, "Suspended", None, timeout, None))
    flow = _current_flow()
    if TASK_RUN.get() is not None:
        raise UsageError("A task cannot suspend the flow run around it; call suspend_flow_run in the flow itself.")
    if flow.run.parent_task_run_id is not None:
        raise UsageError("A subflow cannot be suspended; pause it, or suspend the flow around it.")
    pause = _pause(flow.run.id, "Suspended", _key(flow, key), timeout, wait_for_input)
    if not _enter(flow, pause, wait_for_input):
        return _answer(flow, pause, wait_for_input)
    get_run_logger().info("Suspending flow run, execution will be rescheduled when this flow run is resumed.")
    raise SuspendSignal


@either
def resume_flow_run(flow_run_id: UUID, run_input: Mapping[str, Any] | Any = None) -> None:
    """Let a paused or suspended run go on.

    Args:
        flow_run_id: the run.
        run_input: the value, or the fields of the value, that the pause asked for.

    Raises:
        UsageError: the run is not paused.
    """
    session = started_session()
    session.recorder.flush()
    state = session.backend.flow_run(flow_run_id).state
    if state is None or not state.is_paused():
        raise UsageError(
            f"The flow run {flow_run_id} is {state.name if state else 'new'}, not paused; there is nothing to resume."
        )
    keyset = state.details.run_input_keyset
    if keyset is not None and run_input is not None:
        text = json.dumps(run_input if not hasattr(run_input, "model_dump") else run_input.model_dump(mode="json"))
        _give_input(session.backend, flow_run_id, keyset["response"], text)
    resumed = Scheduled(utc_now(), name="Resuming") if state.details.pause_reschedule else Running()
    session.backend.propose_flow_run_state(flow_run_id, resumed, force=True)


apause_flow_run = awaited(pause_flow_run)
asuspend_flow_run = awaited(suspend_flow_run)
aresume_flow_run = awaited(resume_flow_run)


def _current_flow() -> FlowRunContext:
    flow = FLOW_RUN.get()
    if flow is None:
        raise MissingContextError("Flow runs can only be paused from within a flow run; call this inside a flow.")
    return flow


def _key(flow: FlowRunContext, given: str | None) -> str:
    flow.pauses += 1
    return given or str(flow.pauses)


def _pause(run_id: UUID, name: str, key: str | None, timeout: float | None, wanted: Any) -> State:
    """The state of a run that pauses, with the keys of the input that it may wait for."""
    until = None if timeout is None else utc_now() + timedelta(seconds=timeout)
    pause = Paused(None, until, name == "Suspended", key, name)
    parts = ("description", "response", "schema") if wanted is not None else ()
    keyset = {part: f"{name.lower()}-{key}-{part}" for part in parts} or None
    return pause.evolve(details=replace(pause.details, flow_run_id=run_id, run_input_keyset=keyset))


def _enter(flow: FlowRunContext, pause: State, wanted: Any) -> bool:
    """Enter the state; false when the run was paused at this point before, and has been resumed since."""
    session = flow.session
    session.recorder.flush()
    for state in session.backend.flow_run_states(flow.run.id):
        if state.is_paused() and state.details.pause_key == pause.details.pause_key:
            return False
    if pause.details.run_input_keyset is not None:
        schema = json.dumps(_adapter(wanted).json_schema())
        _give_input(session.backend, flow.run.id, pause.details.run_input_keyset["schema"], schema)
    _propose(session, flow.run.id, pause)
    return True


def _propose(session: Session, run_id: UUID, pause: State) -> None:
    decision = session.backend.propose_flow_run_state(run_id, pause)
    if isinstance(decision, Wait | Abort):
        raise UsageError(f"The flow run {run_id} cannot be {pause.name.lower()}: {decision.reason}")


def _adapter(wanted: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(wanted)


def _give_input(backend: Backend, run_id: UUID, key: str, text: str) -> None:
    """Store a value of a flow run under a key, in place of the one that was there."""
    backend.create("inputs", {"flow_run_id": str(run_id), "key": key, "value": text}, overwrite=True)


def _wait_until_resumed(flow: FlowRunContext, timeout: float, poll_interval: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        state = flow.session.backend.flow_run(flow.run.id).state
        if state is None or not state.is_paused():
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise PauseTimeoutError("The flow run was paused and never resumed.")
        time.sleep(max(0.01, min(poll_interval, left, 1.0)))


def _answer(flow: FlowRunContext, pause: State, wanted: Any) -> Any:
    """The value that the resume brought, as the type that was asked for."""
    if pause.details.run_input_keyset is None:
        return None
    key = pause.details.run_input_keyset["response"]
    try:
        given = flow.session.backend.read("inputs", flow_run_id=flow.run.id, key=key)
    except ObjectNotFound:
        raise UsageError(
            "The flow run was resumed without the input that it waits for; resume it with run_input."
        ) from None
    return _adapter(wanted).validate_json(given["value"])
