"""Pausing, suspending and resuming flow runs, with or without an input from a person."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from orchestration.backend.clock import utc_now
from orchestration.domain import errors, rules, states
from orchestration.sdk import awaiting, context, logs


@awaiting.either
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
    return _stop("Paused", wait_for_input, timeout, key, partial(_wait, timeout, poll_interval))


@awaiting.either
def suspend_flow_run(
    wait_for_input: Any = None, flow_run_id: UUID | None = None, timeout: float | None = 3600, key: str | None = None,
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
    flow = context.FLOW_RUN.get()
    if flow_run_id is not None and (flow is None or str(flow.run.id) != str(flow_run_id)):
        return _propose(logs.started_session(), flow_run_id, _pause(flow_run_id, "Suspended", None, timeout, None))
    if flow is not None and (context.TASK_RUN.get() is not None or flow.run.parent_task_run_id is not None):
        raise errors.UsageError("A task or a subflow cannot be suspended; pause it, or suspend the flow around it.")
    return _stop("Suspended", wait_for_input, timeout, key, _end_here)


@awaiting.either
def resume_flow_run(flow_run_id: UUID, run_input: Mapping[str, Any] | Any = None) -> None:
    """Let a paused or suspended run go on.

    Args:
        flow_run_id: the run.
        run_input: the value, or the fields of the value, that the pause asked for.

    Raises:
        UsageError: the run is not paused.
    """
    session = logs.started_session()
    session.recorder.flush()
    state = session.backend.flow_run(flow_run_id).state
    if state is None or not state.is_paused():
        stands = state.name if state else "new"
        raise errors.UsageError(f"The flow run {flow_run_id} is {stands}, not paused; there is nothing to resume.")
    keyset = state.details.run_input_keyset
    if keyset is not None and run_input is not None:
        text = json.dumps(run_input if not hasattr(run_input, "model_dump") else run_input.model_dump(mode="json"))
        _give_input(session, flow_run_id, keyset["response"], text)
    resumed = states.Scheduled(utc_now(), name="Resuming") if state.details.pause_reschedule else states.Running()
    session.backend.propose_flow_run_state(flow_run_id, resumed, force=True)


apause_flow_run = awaiting.awaited(pause_flow_run)
asuspend_flow_run = awaiting.awaited(suspend_flow_run)
aresume_flow_run = awaiting.awaited(resume_flow_run)


def _pause(run_id: UUID, name: str, key: str | None, timeout: float | None, wanted: Any) -> states.State:
    """The state of a run that pauses, with the keys of the input that it may wait for."""
    until = None if timeout is None else utc_now() + timedelta(seconds=timeout)
    pause = states.Paused(None, until, name == "Suspended", key, name)
    parts = ("description", "response", "schema") if wanted is not None else ()
    keyset = {part: f"{name.lower()}-{key}-{part}" for part in parts} or None
    return pause.evolve(details=replace(pause.details, flow_run_id=run_id, run_input_keyset=keyset))


def _stop(
    name: str, wanted: Any, timeout: float | None, key: str | None, rest: Callable[[context.FlowRunContext], None]
) -> Any:
    """Enter the state and rest, unless the run was resumed here before; the value that the resume brought."""
    flow = context.FLOW_RUN.get()
    if flow is None:
        raise errors.MissingContextError("A flow run is paused from within; call this inside a flow.")
    session, run_id = flow.session, flow.run.id
    flow.pauses += 1
    pause = _pause(run_id, name, key or str(flow.pauses), timeout, wanted)
    keyset = pause.details.run_input_keyset
    session.recorder.flush()
    before = session.backend.flow_run_states(run_id)
    if not any(each.is_paused() and each.details.pause_key == pause.details.pause_key for each in before):
        if keyset is not None:
            _give_input(session, run_id, keyset["schema"], json.dumps(_adapter(wanted).json_schema()))
        _propose(session, run_id, pause)
        rest(flow)
    if keyset is None:
        return None
    try:
        given = session.backend.read("inputs", flow_run_id=run_id, key=keyset["response"])
    except errors.ObjectNotFound:
        raise errors.UsageError("The flow run was resumed without its input; resume it with run_input.") from None
    return _adapter(wanted).validate_json(given["value"])


def _propose(session: context.Session, run_id: UUID, pause: states.State) -> None:
    decision = session.backend.propose_flow_run_state(run_id, pause)
    if isinstance(decision, rules.Wait | rules.Abort):
        raise errors.UsageError(f"The flow run {run_id} cannot be {pause.name.lower()}: {decision.reason}")


def _adapter(wanted: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(wanted)


def _give_input(session: context.Session, run_id: UUID, key: str, text: str) -> None:
    """Store a value of a flow run under a key, in place of the one that was there."""
    session.backend.create("inputs", {"flow_run_id": str(run_id), "key": key, "value": text}, overwrite=True)


def _wait(timeout: float, poll_interval: float, flow: context.FlowRunContext) -> None:
    """Look at the state again and again until somebody has resumed the run."""
    logs.get_run_logger().info("Pausing flow, execution will continue when this flow run is resumed.")
    deadline = time.monotonic() + timeout
    while (state := flow.session.backend.flow_run(flow.run.id).state) is not None and state.is_paused():
        left = deadline - time.monotonic()
        if left <= 0:
            raise errors.PauseTimeoutError("The flow run was paused and never resumed.")
        time.sleep(max(0.01, min(poll_interval, left, 1.0)))
    logs.get_run_logger().info("Resuming flow run execution!")


def _end_here(_: context.FlowRunContext) -> None:
    """Let the engine end the process."""
    logs.get_run_logger().info("Suspending flow run, execution will be rescheduled when this flow run is resumed.")
    raise errors.SuspendSignal
