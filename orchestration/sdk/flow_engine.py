"""A flow run: what the driver of ``lifecycle`` asks of it, and how a call of a flow becomes one.

``execute`` lives a flow run that is in the store already: made by a schedule or a person, suspended, or to be retried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from orchestration.backend import clock, local, surroundings
from orchestration.domain import errors, rules, states
from orchestration.domain.schemas import runs, wire
from orchestration.persistence.runs import owner_columns
from orchestration.sdk import awaiting, futures, lifecycle, logs, parameters, runners, task_engine
from orchestration.sdk.context import FLOW_RUN, TAGS, TASK_RUN, FlowRunContext, result_options, within

NOT_READY = "NotReady"
TellLimit = Callable[[float | None], object]
# Seconds that a worker's process waits for its next attempt; for a later one it gives up its place.
LONGEST_STAY = 30.0


def run_flow(flow: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any, return_state: Any) -> Any:
    """Run a flow in the calling thread, or as a coroutine when it is async."""

    async def live() -> states.State:
        given = parameters.binder_of(flow).bind(args, kwargs)
        return await lifecycle.drive(await awaiting.aside(flow.isasync, _new_run, flow, given, tuple(wait_for or ())))

    return lifecycle.answered(flow, live(), return_state)


def _new_run(flow: Any, given: dict[str, Any], wait_for: tuple[Any, ...]) -> FlowExecution:
    """A flow run of these arguments, in the store as Pending; inside a flow, as a part of that flow's run."""
    session, state = logs.started_session(), states.Pending()
    if FLOW_RUN.get() is not None or wait_for:
        try:
            given = futures.resolved(given, wait_for)
        except errors.UpstreamTaskError as error:
            state = states.Pending(str(error), name=NOT_READY)
    now, parent = clock.utc_now(), task_engine.new_parent(flow, given)
    record = runs.FlowRun(
        id=clock.new_id(), flow_id=clock.new_id(), flow_name=flow.name, flow_version=flow.version,
        name=clock.made_up_name(), created=now, expected_start_time=now, state=state, tags=tuple(sorted(TAGS.get())),
        parameters=parameters.describe(given), policy=lifecycle.policy_of(flow, session),
        parent_task_run_id=parent.id if parent is not None else None,
        owner=surroundings.this_process() if state.name != NOT_READY else None,
    )  # fmt: skip
    return FlowExecution(flow, given, session.backend.create_flow_run(record), session, parent)


@dataclass(eq=False)
class FlowExecution(lifecycle.Run[runs.FlowRun]):
    """One flow run while it lives."""

    # The task run that stands for it in the flow run around it.
    parent: runs.TaskRun | None
    # The claim of the worker that runs it; what it enters without holding that any more is refused.
    claim_id: UUID | None = None
    # Hears how long the flow's function may run, for who can end it when it holds on to the interpreter.
    tell_limit: TellLimit = bool

    # -- what the driver asks ---------------------------------------------------------------------

    def refusal(self) -> states.State | None:
        """The state of a run that cannot start, for what it depends on failed or its parameters do not fit."""
        if self.record.state is not None and self.record.state.name == NOT_READY:
            return self._mirrored(self.record.state)
        try:
            if self.decorated.should_validate_parameters:
                self.parameters = parameters.validate(self.decorated, self.parameters)
            return None
        except errors.ParameterTypeError as error:
            message = f"Validation of flow parameters failed with error: {type(error).__name__}: {error}"
            state = self._enter(states.Failed(message, data=error, details=states.StateDetails(retriable=False)))
            awaiting.at_once(lifecycle.run_hooks(self, state, on_loop=False))
            return state

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Name the run, and let a termination signal end it truthfully."""
        with awaiting.termination_as_exit(is_outermost=self.parent is None):
            if self.decorated.flow_run_name is not None:
                name = parameters.given_name(self.decorated.flow_run_name, self.parameters, "flow_run_name")
                self.session.backend.change("flow_runs", {"name": name}, id=self.record.id)
                self.record = self.record.evolve(name=name)
            kind = "subflow" if self.parent is not None else "flow"
            self.logger.info("Beginning %s run %r for flow %r", kind, self.record.name, self.decorated.name)
            yield

    def propose(self, state: states.State) -> states.State:
        """Ask the store, which decides by the rules; what was logged before is written first."""
        if state.is_failed() and self.record.policy.allows(self.record.run_count):
            retriable = lifecycle.wants_retry(self, state)
            state = state.evolve(details=states.StateDetails(retriable=retriable))
        entered = self._enter(state)
        if self.claim_id and entered.is_scheduled() and lifecycle.seconds_until_due(entered) > LONGEST_STAY:
            raise errors.SuspendSignal  # its process ends, and a worker starts another one when it is time
        return entered

    async def call(self) -> states.State:
        """The outcome of the flow's function, once all that it started has ended."""
        is_async = self.decorated.isasync
        with self._inside() as context:
            try:
                value = await self._returned()
                await self._settle()
                return await awaiting.aside(is_async, self._outcome, value, context)
            except Exception as error:
                await self._settle()
                return await awaiting.aside(is_async, self._failed, error, context)

    async def _returned(self) -> Any:
        self.tell_limit(self.decorated.timeout_seconds)
        try:
            return await lifecycle.returned(self.decorated, self.parameters)
        finally:
            self.tell_limit(None)

    def ended_by(self, error: BaseException) -> states.State:
        """The Suspended state, which the run's own code has entered; of any other end the store is told the truth."""
        if isinstance(error, errors.SuspendSignal):
            self.record = self.session.backend.flow_run(self.record.id)
            return self.record.state or states.Pending()
        if self.record.state is None or not self.record.state.is_final():
            self._crash(error)
        raise error

    def _crash(self, error: BaseException) -> None:
        """End the run; the store ends the task runs that it leaves behind."""
        state = lifecycle.state_of_error(error, lifecycle.FLOW_RAISED)
        now = self.session.backend.flow_run(self.record.id).state if self.claim_id else None
        if now is not None and now.is_cancelling():
            state = states.Cancelled("The run was cancelled.")
        if state.is_crashed():
            self.logger.error("Crash detected! %s", state.message)
        self._enter(state.evolve(details=states.StateDetails(retriable=False)))  # nobody is there to try again
        awaiting.at_once(lifecycle.run_hooks(self, self.record.state or state, on_loop=False))

    # -- one step each ----------------------------------------------------------------------------

    @contextmanager
    def _inside(self) -> Iterator[FlowRunContext]:
        """What surrounds the flow's function; after it no task starts any more."""
        flow, outer, settings = self.decorated, FLOW_RUN.get(), self.session.settings
        options = result_options(flow, outer, settings)
        log_prints = logs.are_logged(flow, outer, settings)
        runner = flow.task_runner or runners.ThreadPoolTaskRunner(settings.task_runner_max_workers)
        fresh = runner() if isinstance(runner, type) else runner.duplicate()
        context = FlowRunContext(self.record, self.session, self.parameters, fresh, options, log_prints)
        try:
            with within((FLOW_RUN, context), (TASK_RUN, None)):
                yield context
        finally:
            context.is_ending = True
            context.runner.stop()

    def _enter(self, state: states.State) -> states.State:
        self.session.recorder.flush()
        decision = self.session.backend.propose_flow_run_state(self.record.id, self._own(state))
        if isinstance(decision, rules.Abort) and self.claim_id:
            raise errors.Abort(decision.reason)
        if isinstance(decision, rules.Wait | rules.Abort):
            self.logger.warning("The state %r was refused: %s", state.name, decision.reason)
            self.record = self.session.backend.flow_run(self.record.id)
            return self.record.state or state
        entered = decision.state.evolve(data=state.data) if decision.state.type is state.type else decision.state
        entered = self._own(entered)
        self.record = self.record.evolve(state=entered, run_count=self.record.run_count + entered.is_running())
        if entered.name == "AwaitingRetry":
            lifecycle.tell_of_retry(self, state, entered)
        elif entered.is_final():
            level = self.logger.info if entered.is_completed() else self.logger.error
            level("Finished in state %s", entered)
            self.session.recorder.flush()
        return self._mirrored(entered)

    def _mirrored(self, state: states.State) -> states.State:
        """The state, which the task run that stands for a subflow has entered, too."""
        if self.parent is not None:
            task_engine.mirror(self.parent, self.session, state, self.record.id)
        return state

    def _own(self, state: states.State) -> states.State:
        """The state with the id of this run, by which whoever gets the state finds the run."""
        return state.evolve(details=replace(state.details, flow_run_id=self.record.id, claim_id=self.claim_id))

    async def _settle(self) -> None:
        """Wait for calls that the flow started and did not await; a suspension among them counts as if it had."""
        for error in await awaiting.settle_started() if self.decorated.isasync else ():
            if isinstance(error, errors.SuspendSignal):
                raise error
            self.logger.error("A call that nobody awaited failed: %s", error)

    def _outcome(self, value: Any, context: FlowRunContext) -> states.State:
        """The state of a returned value, which lies in storage if flow or settings ask for that."""
        _wait_for_tasks(context)
        state = lifecycle.state_of_value(value)
        if not (state.is_completed() and context.results.persist):
            return state
        store = context.results.store(self.session.settings, self.decorated.cache_result_in_memory)
        return state.evolve(data=store.write(clock.new_id().hex, state.data))

    def _failed(self, error: Exception, context: FlowRunContext) -> states.State:
        """The state of a flow that raised: tasks that are running end first, others do not start any more."""
        context.is_ending = True
        _wait_for_tasks(context)
        if getattr(error, "is_users_mistake", False):
            self.logger.error("%s", error)  # the sentence says what to do; a traceback would bury it
        elif not isinstance(error, errors.RunTimeoutError):
            self.logger.error("Encountered exception during execution: %r", error, exc_info=error)
        return lifecycle.state_of_error(error, lifecycle.FLOW_RAISED)


def _wait_for_tasks(context: FlowRunContext) -> None:
    while context.outstanding:
        futures.wait(list(context.outstanding))


def execute(flow: Any, run_id: UUID, claim_id: UUID | None = None, tell_limit: TellLimit = bool) -> states.State:
    """Live a flow run to its end, or until it waits so long that its process need not; the state that it then has.

    Args:
        flow: the flow of the run.
        run_id: a run in any state; one that has ended stays as it is.
        claim_id: the claim of the worker that started this process, if one did. It fences the run: once the claim
            has ended, nothing is recorded any more, and ``Abort`` is raised.
        tell_limit: hears for how many seconds the flow's function may run from now on, if there is a limit.
    """
    session = logs.started_session()
    record = session.backend.flow_run(run_id)
    if record.state is not None and record.state.is_final():
        return record.state
    policy = lifecycle.policy_of(flow, session)
    if policy != record.policy:  # whoever finds the run crashed must know of its retries
        session.backend.change("flow_runs", {"empirical_policy": wire.policy_document(policy)}, id=run_id)
    if claim_id is None and isinstance(session.backend, local.LocalBackend):  # nobody else answers for this process
        session.backend.change("flow_runs", owner_columns(surroundings.this_process()), id=run_id)
    slots = [state.details.scheduled_time for state in session.backend.flow_run_states(run_id) if state.is_scheduled()]
    record = record.evolve(policy=policy, expected_start_time=next(filter(None, slots), record.expected_start_time))
    run = FlowExecution(flow, dict(record.parameters), record, session, None, claim_id, tell_limit)
    try:
        run.parameters = parameters.binder_of(flow).bind((), run.parameters)
    except errors.ParameterBindError as error:
        return run.propose(states.Failed(str(error), data=error, details=states.StateDetails(retriable=False)))
    return run.live()
