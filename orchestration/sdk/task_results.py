"""What becomes of a task's result: taken from the cache, or put through a transaction into storage."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestration.backend.clock import new_id, utc_now
from orchestration.domain.schemas.recording import TaskRunRecord
from orchestration.domain.states import Cached, State, StateDetails, StateType
from orchestration.sdk import caching
from orchestration.sdk.context import FlowRunContext, task_log_fields
from orchestration.sdk.logs import TASK_LOGGER, RunLogger
from orchestration.sdk.results import StoredValue
from orchestration.sdk.session import Session
from orchestration.sdk.transactions import ACTIVE, IsolationLevel, Opener, Transaction


@dataclass(slots=True, eq=False)
class LivingTask:
    """A task run while it lives: what it is about, the states that it enters, and its transaction."""

    decorated: Any
    parameters: dict[str, Any]
    record: TaskRunRecord
    session: Session
    flow: FlowRunContext | None
    wait_for: tuple[Any, ...]
    kept: caching.KeptResults | None = None
    around: Opener | None = field(default_factory=ACTIVE.get)
    transaction: Transaction | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the result is written to storage."""
        return caching.is_kept(self.decorated, self.flow, self.session.settings)

    @property
    def logger(self) -> RunLogger:
        """A logger whose lines belong to the run."""
        return RunLogger(TASK_LOGGER, task_log_fields(self.record))

    def note(self, state: State, now: datetime) -> State:
        """Give the run a state and let the recorder write it."""
        details = self.record.details
        if state.details.scheduled_time is not None or state.details.cache_key is not None:
            details = state.details
        noted = State(state.type, state.name, state.message, state.data, details, now, new_id())
        self.session.recorder.note(self.record, noted)
        return noted

    def open_transaction(self) -> Transaction:
        """The transaction of the run, begun when it is first asked for: it commits with the one around it, or alone."""
        if self.transaction is None:
            kept, lasts = self.kept, self.decorated.cache_expiration
            key, store = (kept.key or self.record.id.hex, kept.store) if kept else (None, None)
            until = utc_now() + lasts if lasts else None
            modes = None, _isolation(kept), True, True
            self.transaction = Transaction(key, store, *modes, self.logger, self.around, until)
            self.transaction.begin()
        return self.transaction


def from_cache(run: LivingTask) -> State | None:
    """The state of a run whose result is there already; one log line says whether, and why not."""
    if run.kept is None:
        run.kept = caching.kept_results(run.decorated, run.record, run.parameters, run.flow, run.session.settings)
        run.record.cache_key = run.kept.key
    if _isolation(run.kept) is IsolationLevel.SERIALIZABLE:
        run.open_transaction()  # whose beginning waits for the key's lock
    stored = run.kept.store.find(run.kept.key) if run.kept.key is not None else None
    miss = _why_not(run, run.kept, stored)
    if miss is not None:
        run.logger.info("Cache miss: %s", miss)
        return None
    run.logger.info("Cache hit: the result under key %s is used again", run.kept.key)
    undo(run)
    return Cached(data=stored, details=_details(run, stored))


def needs_transaction(run: LivingTask) -> bool:
    """Whether anything asks for the run's result to be committed."""
    hooks = run.decorated.on_rollback_hooks or run.decorated.on_commit_hooks
    return bool(hooks or run.kept is not None or run.transaction is not None or run.around is not None)


def committed(run: LivingTask, state: State) -> State:
    """The completed state, its result staged in the run's transaction and, unless one is around it, written."""
    if not needs_transaction(run):
        return state

    def tell() -> None:
        if run.record.state.is_completed():
            run.note(State(StateType.COMPLETED, "RolledBack", "The transaction was rolled back."), utc_now())

    transaction = run.open_transaction()
    run.transaction = None
    transaction.on_rolled_back = tell
    transaction.stage(state.data, list(run.decorated.on_rollback_hooks), list(run.decorated.on_commit_hooks))
    transaction.conclude()
    if transaction.stored is None:
        return state
    if not run.decorated.cache_result_in_memory:
        transaction.stored.forget()
    return state.evolve(data=transaction.stored, details=_details(run, transaction.stored))


def undo(run: LivingTask) -> None:
    """Roll the run's transaction back, if it has one; another attempt gets another."""
    transaction, run.transaction = run.transaction, None
    if transaction is not None:
        transaction.rollback()


def _isolation(kept: caching.KeptResults | None) -> IsolationLevel | None:
    level = kept.policy.isolation_level if kept is not None and kept.policy is not None else None
    return IsolationLevel(level) if level is not None else None


def _why_not(run: LivingTask, kept: caching.KeptResults, stored: StoredValue | None) -> str | None:
    """Why a stored result cannot be used; ``None`` when it can."""
    if kept.key is None:
        return kept.why_no_key
    if run.decorated.refresh_cache:
        return f"refresh_cache asks for a new result under key {kept.key}"
    if stored is None:
        return f"there is no result under key {kept.key} yet"
    if stored.expiration is not None and stored.expiration <= utc_now():
        return f"the result under key {kept.key} expired at {stored.expiration}"
    return None


def _details(run: LivingTask, stored: StoredValue | None) -> StateDetails:
    return StateDetails(
        flow_run_id=run.record.flow_run_id, task_run_id=run.record.id, cache_key=run.kept.key if run.kept else None,
        cache_expiration=stored.expiration if stored else None,
    )
