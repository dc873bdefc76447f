"""A flow run: what the driver of ``lifecycle`` asks of it, and how a call of a flow becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from orchestration.backend.clock import made_up_name, new_id, utc_now
from orchestration.backend.processes import this_process
from orchestration.domain import errors, rules
from orchestration.domain.schemas.recording import TaskRunRecord
from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.states import Cancelled, Failed, Pending, State, StateDetails
from orchestration.sdk import awaiting, lifecycle, logs, parameters, results, runners, start, task_engine, upstream
from orchestration.sdk.context import FLOW_RUN, TAGS, TASK_RUN, FlowRunContext, ResultOptions, flow_log_fields, within
from orchestration.sdk.interrupts import termination_as_exit
from orchestration.sdk.session import Session

NOT_READY = "NotReady"
# Seconds that a worker's process waits for its next attempt; for a later one it gives up its place.
LONGEST_STAY = 30.0


def run_flow(flow: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any, return_state: Any) -> Any:
    """Run a flow in the calling thread, or as a coroutine when it is async."""
    return lifecycle.answered(flow, _live(flow, args, kwargs, tuple(wait_for or ())), return_state)


async def _live(flow: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: tuple[Any, ...]) -> State:
    given = parameters.binder_of(flow).bind(args, kwargs)
    run = await awaiting.aside(flow.isasync, new_flow_run, flow, given, wait_for)
    return await awaiting.aside(flow.isasync, run.refusal) or await lifecycle.drive(run, run.record.state or Pending())


def new_flow_run(flow: Any, given: dict[str, Any], wait_for: tuple[Any, ...]) -> FlowExecution:
    """A flow run of these arguments, in the store as Pending; inside a flow, as a part of that flow's run."""
    session, state = start.started_session(), Pending()
    if FLOW_RUN.get() is not None or wait_for:
        try:
            given = upstream.resolved(given, wait_for)
        except errors.UpstreamTaskError as error:
            state = Pending(str(error), name=NOT_READY)
    now, parent = utc_now(), task_engine.new_parent(flow, given)
    record = FlowRun(
        id=new_id(), flow_id=new_id(), flow_name=flow.name, name=made_up_name(), created=now, state=state,
        flow_version=flow.version, parameters=parameters.describe(given), policy=lifecycle.policy_of(flow, session),
        tags=tuple(sorted(TAGS.get())), parent_task_run_id=parent.id if parent is not None else None,
        expected_start_time=now, owner=this_process() if state.name != NOT_READY else None,
    )  # fmt: skip
    return FlowExecution(flow, given, session.backend.create_flow_run(record), session, parent)


@dataclass(eq=False)
class FlowExecution:
    """One flow run while it lives."""

    decorated: Any
    parameters: dict[str, Any]
    record: FlowRun
    session: Session
    # The task run that stands for it in the flow run around it.
    parent: TaskRunRecord | None
    # The claim of the worker that runs it; what it enters without holding that any more is refused.
    claim_id: UUID | None = None
    # Hears how long the flow's function may run, for who can end it when it holds on to the interpreter.
    tell_limit: Callable[[float | None], object] = bool

    @property
    def logger(self) -> logs.RunLogger:
        """A logger whose lines belong to the run."""
        return logs.RunLogger(logs.FLOW_LOGGER, flow_log_fields(self.record))

    def refusal(self) -> State | None:
        """The state of a run that cannot start, for what it depends on failed or its parameters do not fit."""
        if self.record.state is not None and self.record.state.name == NOT_READY:
            return self._mirrored(self.record.state)
        try:
            if self.decorated.should_validate_parameters:
                self.parameters = parameters.validate(self.decorated, self.parameters)
            return None
        except errors.ParameterTypeError as error:
            message = f"Validation of flow parameters failed with error: {type(error).__name__}: {error}"
            state = self._enter(Failed(message, data=error, details=StateDetails(retriable=False)))
            awaiting.at_once(lifecycle.run_hooks(self, state, on_loop=False))
            return state

    # -- what the driver asks ---------------------------------------------------------------------

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Name the run, and let a termination signal end it truthfully."""
        with termination_as_exit(is_outermost=self.parent is None):
            if self.decorated.flow_run_name is not None:
                name = parameters.given_name(self.decorated.flow_run_name, self.parameters, "flow_run_name")
                self.session.backend.change("flow_runs", {"name": name}, id=self.record.id)
                self.record = self.record.evolve(name=name)
            kind = "subflow" if self.parent is not None else "flow"
            self.logger.info("Beginning %s run %r for flow %r", kind, self.record.name, self.decorated.name)
            yield

    def may_wait(self, _state: State) -> bool:
        """Always: each proposal is written to the store before it is answered."""
        return True

    def propose(self, state: State) -> State:
        """Ask the store, which decides by the rules; what was logged before is written first."""
        if state.is_failed() and self.record.policy.allows(self.record.run_count):
            retriable = lifecycle.wants_retry(self, state)
            state = state.evolve(details=StateDetails(retriable=retriable))
        entered = self._enter(state)
        if self.claim_id and entered.is_scheduled() and lifecycle.seconds_until_due(entered) > LONGEST_STAY:
            raise errors.SuspendSignal  # its process ends, and a worker starts another one when it is time
        return entered

    async def call(self) -> State:
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

    def crash(self, error: BaseException) -> None:
        """End the run truthfully; the store ends the task runs that it leaves behind."""
        if self.record.state is not None and self.record.state.is_final():
            return
        state = lifecycle.state_of_error(error, lifecycle.FLOW_RAISED)
        now = self.session.backend.flow_run(self.record.id).state if self.claim_id else None
        if now is not None and now.is_cancelling():
            state = Cancelled("The run was cancelled.")
        if state.is_crashed():
            self.logger.error("Crash detected! %s", state.message)
        self._enter(state.evolve(details=StateDetails(retriable=False)))  # nobody is there to try again
        awaiting.at_once(lifecycle.run_hooks(self, self.record.state or state, on_loop=False))

    def suspended(self) -> State:
        """The Suspended state, which the run's own code has entered."""
        self.record = self.session.backend.flow_run(self.record.id)
        return self.record.state or Pending()

    # -- one step each ----------------------------------------------------------------------------

    @contextmanager
    def _inside(self) -> Iterator[FlowRunContext]:
        """What surrounds the flow's function; after it no task starts any more."""
        flow, outer, settings = self.decorated, FLOW_RUN.get(), self.session.settings
        options = _result_options(flow, outer.results if outer is not None else ResultOptions())
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

    def _enter(self, state: State) -> State:
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
        running = int(entered.is_running())
        self.record = self.record.evolve(state=entered, run_count=self.record.run_count + running)
        self._tell(state, entered)
        return self._mirrored(entered)

    def _mirrored(self, state: State) -> State:
        """The state, which the task run that stands for a subflow has entered, too."""
        if self.parent is not None:
            task_engine.mirror(self.parent, self.session, state, self.record.id)
        return state

    def _own(self, state: State) -> State:
        """The state with the id of this run, by which whoever gets the state finds the run."""
        return state.evolve(details=replace(state.details, flow_run_id=self.record.id, claim_id=self.claim_id))

    def _tell(self, proposed: State, entered: State) -> None:
        if entered.name == "AwaitingRetry":
            due = entered.details.scheduled_time
            lifecycle.tell_of_retry(self, proposed, f"at {due:%H:%M:%S} UTC" if due else "at once")
        elif entered.is_final():
            level = self.logger.info if entered.is_completed() else self.logger.error
            level("Finished in state %s", entered)
            self.session.recorder.flush()

    async def _settle(self) -> None:
        """Wait for calls that the flow started and did not await; a suspension among them counts as if it had."""
        for error in await awaiting.settle_started() if self.decorated.isasync else ():
            if isinstance(error, errors.SuspendSignal):
                raise error
            self.logger.error("A call that nobody awaited failed: %s", error)

    def _outcome(self, value: Any, context: FlowRunContext) -> State:
        """The state of a returned value, which lies in storage if flow or settings ask for that."""
        _wait_for_tasks(context)
        state, settings, options = lifecycle.state_of_value(value), self.session.settings, context.results
        persist = settings.persist_results if options.persist is None else options.persist
        if not (state.is_completed() and persist):
            return state
        stored = options.store(settings).write(results.new_result_key(), state.data)
        if not self.decorated.cache_result_in_memory:
            stored.forget()
        return state.evolve(data=stored)

    def _failed(self, error: Exception, context: FlowRunContext) -> State:
        """The state of a flow that raised: tasks that are running end first, others do not start any more."""
        context.is_ending = True
        _wait_for_tasks(context)
        if getattr(error, "is_users_mistake", False):
            self.logger.error("%s", error)  # the sentence says what to do; a traceback would bury it
        elif not isinstance(error, errors.RunTimeoutError):
            self.logger.error("Encountered exception during execution: %r", error, exc_info=error)
        return lifecycle.state_of_error(error, lifecycle.FLOW_RAISED)


def _wait_for_tasks(context: FlowRunContext) -> None:
    while under_way := list(context.outstanding):
        for future in under_way:
            future.wait()


def _result_options(flow: Any, around: ResultOptions) -> ResultOptions:
    asked = flow.result_storage is not None or flow.result_serializer is not None
    persist = flow.persist_result if flow.persist_result is not None else (asked or around.persist)
    return ResultOptions(persist, flow.result_storage or around.storage, flow.result_serializer or around.serializer)
