"""What becomes of a task's result: whether it is kept, and under which key; how it is found, or written.

Cache keys are made of values here: equal values give equal keys in any process.
"""

import hashlib
import inspect
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import cloudpickle

from orchestration.backend.clock import new_id, utc_now
from orchestration.domain import caching, errors, states
from orchestration.domain.schemas.runs import TaskRunRecord
from orchestration.sdk import lifecycle, results, runtime
from orchestration.sdk.parameters import filled_in
from orchestration.sdk.transactions import ACTIVE, IsolationLevel, Opener, Transaction


class KeptResults(NamedTuple):
    """How one task run keeps its result: ``key`` is ``None`` when it cannot be the same call as another."""

    store: results.ResultStore
    key: str | None
    isolation: IsolationLevel | None = None
    why_no_key: str | None = None


@dataclass(slots=True, eq=False)
class LivingTask(lifecycle.Run):
    """A task run while it lives: what it is about, the states that it enters, and its transaction."""

    decorated: Any
    parameters: dict[str, Any]
    record: TaskRunRecord
    session: runtime.Session
    flow: runtime.FlowRunContext | None
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
        caches = task.cache_policy is not None and not isinstance(task.cache_policy, caching.NoCache)
        if caches or task.cache_key_fn or task.result_storage_key or task.result_storage or task.result_serializer:
            return True
        of_flow = self.flow.results.persist if self.flow is not None else None
        return self.session.settings.persist_results if of_flow is None else of_flow

    def note(self, state: states.State, now: datetime) -> states.State:
        """Give the run a state and let the recorder write it."""
        details = self.record.details
        if state.details.scheduled_time is not None or state.details.cache_key is not None:
            details = state.details
        noted = states.State(state.type, state.name, state.message, state.data, details, now, new_id())
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


def from_cache(run: LivingTask) -> states.State | None:
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
    return states.Cached(data=stored, details=_details(run, stored))


def needs_transaction(run: LivingTask) -> bool:
    """Whether anything asks for the run's result to be committed."""
    hooks = run.decorated.on_rollback_hooks or run.decorated.on_commit_hooks
    return bool(hooks or run.kept is not None or run.transaction is not None or run.around is not None)


def committed(run: LivingTask, state: states.State) -> states.State:
    """The completed state, its result staged in the run's transaction and, unless one is around it, written."""
    if not needs_transaction(run):
        return state

    def tell() -> None:
        if run.record.state.is_completed():
            run.note(states.RolledBack("The transaction was rolled back."), utc_now())

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
    options = flow.results if flow is not None else runtime.ResultOptions()
    policy = caching.CacheKeyFnPolicy(task.cache_key_fn) if task.cache_key_fn else task.cache_policy or caching.DEFAULT
    place = policy.key_storage or task.result_storage or options.storage
    options = runtime.ResultOptions(None, place, task.result_serializer or options.serializer)
    store = options.store(run.session.settings, policy.lock_manager)
    if task.result_storage_key is not None:
        return KeptResults(store, _storage_key(run))
    isolation = policy.isolation_level and IsolationLevel(policy.isolation_level)
    inputs = {"self": task.fn.__self__, **parameters} if inspect.ismethod(task.fn) else parameters
    told = SimpleNamespace(task=task, task_run=run.record, parameters=parameters)
    of_flow = flow.parameters if flow is not None else {}
    try:
        key = policy.compute_key(told, inputs, of_flow, hash_objects=hash_objects, source_of=source_of)
    except Exception as error:  # of the user's key function or policy too; the task itself has not failed
        return KeptResults(store, None, isolation, f"the cache key could not be computed ({error!r})")
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


def _details(run: LivingTask, stored: results.StoredValue | None) -> states.StateDetails:
    key, until = run.kept.key if run.kept else None, stored.expiration if stored else None
    return states.StateDetails(run.record.flow_run_id, run.record.id, cache_key=key, cache_expiration=until)


def hash_objects(*values: Any) -> str:
    """A key of 32 hexadecimal digits for these values, in this order.

    Raises:
        HashError: a value cannot be written as bytes, such as a lock or an open file.
    """
    digest = hashlib.blake2b(digest_size=16)
    for value in values:
        try:
            _feed(digest, value)
        except errors.HashError:
            raise
        except Exception as error:  # it contains itself, or pickling it failed
            remedy = "leave it out with INPUTS - 'name', give a cache_key_fn, or use cache_policy=NO_CACHE"
            raise errors.HashError(f"An argument cannot be a part of a cache key ({error}); {remedy}.") from error
    return digest.hexdigest()


def task_input_hash(context: Any, arguments: dict[str, Any]) -> str | None:
    """A ``cache_key_fn``: the same call is the same task, with the same code, called with equal arguments."""
    code = getattr(context.task.fn, "__code__", None)
    return hash_objects(context.task.task_key, code.co_code if code is not None else None, arguments)


def source_of(task: Any) -> str:
    """The source of a task's function; its byte code where no source is to be had, as in a shell."""
    fn: Any = task.fn
    while isinstance(fn, partial):
        fn = fn.func
    try:
        return inspect.getsource(fn if inspect.isroutine(fn) or inspect.isclass(fn) else type(fn))
    except (OSError, TypeError):
        code = getattr(fn, "__code__", None)
        return repr((code.co_code, code.co_consts)) if code is not None else repr(type(fn))


def _feed(digest: hashlib.blake2b, value: Any) -> None:
    """Feed a value so that neither its type nor where it ends is in doubt."""
    kind = type(value)
    digest.update(kind.__qualname__.encode() + b":")
    if value is None or isinstance(value, bool | int | float | complex):
        digest.update(repr(value).encode() + b";")
    elif isinstance(value, str | bytes | bytearray):
        _feed_bytes(digest, value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)
    elif kind in (list, tuple):
        for item in value:
            _feed(digest, item)
        digest.update(b"]")
    elif (members := _members(value)) is not None:
        # in an order that does not depend on the process
        digest.update("".join(sorted(map(hash_objects, members))).encode() + b"]")
    else:
        _feed_bytes(digest, cloudpickle.dumps(value))


def _feed_bytes(digest: hashlib.blake2b, data: bytes | bytearray) -> None:
    digest.update(str(len(data)).encode() + b"#")
    digest.update(data)


def _members(value: Any) -> Any:
    """What a set, mapping or record consists of, in any order; ``None`` for other values.

    The pickle of a record may differ from process to process, above all if the script defines it.
    """
    kind = type(value)
    if kind in (set, frozenset, dict):
        return value.items() if kind is dict else value
    if isinstance(value, Enum):
        return [value.value]
    if is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict().items()
    return value.__dict__.items() if hasattr(kind, "model_fields") else None  # pydantic's, which is not loaded here
