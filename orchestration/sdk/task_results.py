"""What becomes of a task's result: whether it is kept, and under which key; how it is found, or written."""

import inspect
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, NamedTuple

from orchestration.backend.clock import new_id, utc_now
from orchestration.domain.caching import DEFAULT, CacheKeyFnPolicy, NoCache
from orchestration.domain.errors import HashError
from orchestration.domain.schemas.runs import TaskRunRecord
from orchestration.domain.states import Cached, RolledBack, State, StateDetails
from orchestration.sdk import hashing, logs, results, runtime
from orchestration.sdk.context import FlowRunContext, ResultOptions, task_log_fields
from orchestration.sdk.parameters import filled_in
from orchestration.sdk.session import Session
from orchestration.sdk.transactions import ACTIVE, IsolationLevel, Opener, Transaction


class KeptResults(NamedTuple):
    """How one task run keeps its result: ``key`` is ``None`` when it cannot be the same call as another."""

    store: results.ResultStore
    key: str | None
    isolation: IsolationLevel | None = None
    why_no_key: str | None = None


@dataclass(slots=True, eq=False)
class LivingTask:
    """A task run while it lives: what it is about, the states that it enters, and its transaction."""

    decorated: Any
    parameters: dict[str, Any]
    record: TaskRunRecord
    session: Session
    flow: FlowRunContext | None
    wait_for: tuple[Any, ...]
    kept: KeptResults | None = None
    around: Opener | None = field(default_factory=ACTIVE.get)
    transaction: Transaction | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the result is written to storage.

        What the task says counts first; a cache policy, key function, storage or storage key asks for it
        as well; then what the flow says, then the settings.
        """
        task = self.decorated
        if task.persist_result is not None:
            return bool(task.persist_result)
        caches = task.cache_policy is not None and not isinstance(task.cache_policy, NoCache)
        if caches or task.cache_key_fn or task.result_storage_key or task.result_storage or task.result_serializer:
            return True
        of_flow = self.flow.results.persist if self.flow is not None else None
        return self.session.settings.persist_results if of_flow is None else of_flow

    @property
    def logger(self) -> logs.RunLogger:
        """A logger whose lines belong to the run."""
        return logs.RunLogger(logs.TASK_LOGGER, task_log_fields(self.record))

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
            key, store, level = (kept.key or self.record.id.hex, kept.store, kept.isolation) if kept else (None,) * 3
            until = utc_now() + lasts if lasts else None
            self.transaction = Transaction(key, store, None, level, True, True, self.logger, self.around, until)
            self.transaction.begin()
        return self.transaction


def from_cache(run: LivingTask) -> State | None:
    """The state of a run whose result is there already; one log line says whether, and why not."""
    if run.kept is None:
        run.kept = _kept_results(run)
        run.record.cache_key = run.kept.key
    if run.kept.isolation is IsolationLevel.SERIALIZABLE:
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
            run.note(RolledBack("The transaction was rolled back."), utc_now())

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


def _kept_results(run: LivingTask) -> KeptResults:
    """Where a call's result goes, and the key that makes it the same call as an earlier one."""
    task, parameters, flow = run.decorated, run.parameters, run.flow
    options = flow.results if flow is not None else ResultOptions()
    policy = CacheKeyFnPolicy(task.cache_key_fn) if task.cache_key_fn is not None else task.cache_policy or DEFAULT
    place = policy.key_storage or task.result_storage or options.storage
    options = ResultOptions(None, place, task.result_serializer or options.serializer)
    store = options.store(run.session.settings, policy.lock_manager)
    if task.result_storage_key is not None:
        return KeptResults(store, _storage_key(run))
    isolation = policy.isolation_level and IsolationLevel(policy.isolation_level)
    inputs = {"self": task.fn.__self__, **parameters} if inspect.ismethod(task.fn) else parameters
    told = SimpleNamespace(task=task, task_run=run.record, parameters=parameters)
    of_flow = flow.parameters if flow is not None else {}
    try:
        key = policy.compute_key(told, inputs, of_flow, hash_objects=hashing.hash_objects, source_of=hashing.source_of)
    except Exception as error:  # of the user's key function or policy too; the task itself has not failed
        failed = f"the cache key could not be computed ({type(error).__name__}: {error})"
        return KeptResults(store, None, isolation, str(error) if isinstance(error, HashError) else failed)
    return KeptResults(store, key, isolation, "the cache policy gives no key for this call")


def _storage_key(run: LivingTask) -> str:
    """The storage key that a template such as ``{flow_run.name}/{parameters[month]}.json`` gives."""
    record, parameters = run.record, run.parameters
    facts = {"id": record.id, "name": record.name, "tags": record.tags, "run_count": record.run_count}
    known = {
        **parameters, "parameters": parameters, "flow_run": runtime.flow_run, "deployment": runtime.deployment,
        "task_run": SimpleNamespace(**facts, task_name=run.decorated.name, parameters=parameters),
    }
    may_use = f"flow_run, task_run, deployment and parameters ({', '.join(parameters) or 'none here'})"
    return filled_in(run.decorated.result_storage_key, known, "result_storage_key", may_use)


def _why_not(run: LivingTask, kept: KeptResults, stored: results.StoredValue | None) -> str | None:
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


def _details(run: LivingTask, stored: results.StoredValue | None) -> StateDetails:
    return StateDetails(
        flow_run_id=run.record.flow_run_id, task_run_id=run.record.id, cache_key=run.kept.key if run.kept else None,
        cache_expiration=stored.expiration if stored else None,
    )
