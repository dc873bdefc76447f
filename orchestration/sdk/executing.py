"""The life of a flow run that is in the store already: made by a schedule or a person, suspended, or to be retried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from orchestration.backend.local import LocalBackend
from orchestration.backend.processes import this_process
from orchestration.domain.errors import ParameterBindError
from orchestration.domain.schemas.wire import policy_document
from orchestration.domain.states import Failed, Pending, State, StateDetails
from orchestration.persistence.runs import owner_columns
from orchestration.sdk import lifecycle, parameters
from orchestration.sdk.awaiting import aside, at_once
from orchestration.sdk.flow_engine import FlowExecution
from orchestration.sdk.flows import Flow
from orchestration.sdk.start import started_session

TellLimit = Callable[[float | None], object]


def execute(flow: Flow[..., Any], run_id: UUID, claim_id: UUID | None = None, tell_limit: TellLimit = bool) -> State:
    """Live a flow run to its end, or until it waits so long that its process need not; the state that it then has.

    Args:
        flow: the flow of the run.
        run_id: a run in any state; one that has ended stays as it is.
        claim_id: the claim of the worker that started this process, if one did. It fences the run: once the claim
            has ended, nothing is recorded any more, and ``Abort`` is raised.
        tell_limit: hears for how many seconds the flow's function may run from now on, if there is a limit.
    """
    session = started_session()
    record = session.backend.flow_run(run_id)
    if record.state is not None and record.state.is_final():
        return record.state
    policy = lifecycle.policy_of(flow, session)
    if policy != record.policy:  # whoever finds the run crashed must know of its retries
        session.backend.change("flow_runs", {"empirical_policy": policy_document(policy)}, id=run_id)
    if claim_id is None and isinstance(session.backend, LocalBackend):  # nobody else answers for this process
        session.backend.change("flow_runs", owner_columns(this_process()), id=run_id)
    slots = [state.details.scheduled_time for state in session.backend.flow_run_states(run_id) if state.is_scheduled()]
    record = record.evolve(policy=policy, expected_start_time=next(filter(None, slots), record.expected_start_time))
    run = FlowExecution(flow, dict(record.parameters), record, session, None, claim_id, tell_limit)
    try:
        run.parameters = parameters.binder_of(flow).bind((), run.parameters)
    except ParameterBindError as error:
        return run.propose(Failed(str(error), data=error, details=StateDetails(retriable=False)))

    async def live() -> State:
        refused = await aside(flow.isasync, run.refusal)
        return refused or await lifecycle.drive(run, record.state or Pending(), record.run_count)

    return asyncio.run(live()) if flow.isasync else at_once(live())
