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
from typing import Any

import cloudpickle

from orchestration.backend.clock import new_id, utc_now
from orchestration.domain import caching, errors, states
from orchestration.domain.schemas.runs import TaskRun
from orchestration.sdk import context, lifecycle, results, transactions
from orchestration.sdk.parameters import filled_in


@dataclass(slots=True, eq=False)
class LivingTask(lifecycle.Run[TaskRun]):
    """A task run while it lives: what it is about, the states that it enters, and its transaction."""

    flow: context.FlowRunContext | None
    wait_for: tuple[Any, ...]
    # Where the result is kept, if it is; under the record's cache key, which a call has that may be like another.
    store: results.ResultStore | None = None
    isolation: transactions.IsolationLevel | None = None
    why_no_key: str = "the cache policy gives no key for this call"
    around: transactions.Opener | None = field(default_factory=transactions.ACTIVE.get)
    transaction: transactions.Transaction | None = None

    @property
    def options(self) -> context.ResultOptions:
        """What holds for the result: what the task says, which may ask by its cache for keeping it, then the flow."""
        task = self.decorated
        caches = task.cache_policy is not None and not isinstance(task.cache_policy, caching.NoCache)
        asks = caches or task.cache_key_fn or task.result_storage_key
        return context.result_options(task, self.flow, self.session.settings, asks)

    def note(self, state: states.State, now: datetime) -> states.State:
        """Give the run a state and let the recorder write it."""
        details = self.record.details
        if state.details.scheduled_time is not None or state.details.cache_key is not None:
            details = state.details
        noted = states.State(state.type, state.name, state.message, state.data, details, now, new_id())
        self.session.recorder.note(self.record, noted)
        return noted

    def open_transaction(self) -> transactions.Transaction:
        """The transaction of the run, begun when it is first asked for: it commits with the one around it, or alone."""
        if self.transaction is None:
            key = (self.record.cache_key or self.record.id.hex) if self.store is not None else None
            until = utc_now() + self.decorated.cache_expiration if self.decorated.cache_expiration else None
            told = self.logger, self.around, until
            self.transaction = transactions.Transaction(key, self.store, None, self.isolation, True, True, *told)
            self.transaction.begin()
        return self.transaction


def from_cache(run: LivingTask) -> states.State | None:
    """The state of a run whose result is there already; one log line says whether, and why not."""
    if run.store is None:
        run.store = _store_of(run)
    if run.isolation is transactions.IsolationLevel.SERIALIZABLE:
        run.open_transaction()  # whose beginning waits for the key's lock
    key = run.record.cache_key
    stored = run.store.find(key) if key is not None else None
    miss = _why_not(run, stored)
    if miss is not None:
        run.logger.info("Cache miss: %s", miss)
        return None
    run.logger.info("Cache hit: the result under key %s is used again", key)
    undo(run)
    return states.Cached(data=stored, details=_details(run, stored))


def needs_transaction(run: LivingTask) -> bool:
    """Whether anything asks for the run's result to be committed."""
    hooks = run.decorated.on_rollback_hooks or run.decorated.on_commit_hooks
    return bool(hooks or run.store is not None or run.transaction is not None or run.around is not None)


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
    return state.evolve(data=transaction.stored, details=_details(run, transaction.stored))


def undo(run: LivingTask) -> None:
    """Roll the run's transaction back, if it has one; another attempt gets another."""
    transaction, run.transaction = run.transaction, None
    if transaction is not None:
        transaction.rollback()


def _store_of(run: LivingTask) -> results.ResultStore:
    """Where a call's result goes; the run gets the key that makes it the same call as an earlier one."""
    task, parameters, flow, options = run.decorated, run.parameters, run.flow, run.options
    policy = caching.CacheKeyFnPolicy(task.cache_key_fn) if task.cache_key_fn else task.cache_policy or caching.DEFAULT
    options = options._replace(storage=policy.key_storage or options.storage)
    store = options.store(run.session.settings, task.cache_result_in_memory, policy.lock_manager)
    if task.result_storage_key is not None:
        run.record.cache_key = _storage_key(run)
        return store
    run.isolation = policy.isolation_level and transactions.IsolationLevel(policy.isolation_level)
    inputs = {"self": task.fn.__self__, **parameters} if inspect.ismethod(task.fn) else parameters
    told = SimpleNamespace(task=task, task_run=run.record, parameters=parameters)
    of_flow = flow.parameters if flow is not None else {}
    try:
        run.record.cache_key = policy.compute_key(told, inputs, of_flow, hash_objects=hash_objects, source_of=source_of)
    except Exception as error:  # of the user's key function or policy too; the task itself has not failed
        run.why_no_key = f"the cache key could not be computed ({error!r})"
    return store


def _storage_key(run: LivingTask) -> str:
    """The storage key that a template such as ``{flow_run.name}/{parameters[month]}.json`` gives."""
    record, parameters = run.record, run.parameters
    facts = {"id": record.id, "name": record.name, "tags": record.tags, "run_count": record.run_count}
    known = {
        **parameters, "parameters": parameters, "flow_run": context.flow_run, "deployment": context.deployment,
        "task_run": SimpleNamespace(**facts, task_name=run.decorated.name, parameters=parameters),
    }
    may_use = f"flow_run, task_run, deployment and parameters ({', '.join(parameters) or 'none here'})"
    return filled_in(run.decorated.result_storage_key, known, "result_storage_key", may_use)


def _why_not(run: LivingTask, stored: results.StoredValue | None) -> str | None:
    """Why a stored result cannot be used; ``None`` when it can."""
    key = run.record.cache_key
    if key is None:
        return run.why_no_key
    if run.decorated.refresh_cache:
        return f"refresh_cache asks for a new result under key {key}"
    if stored is None:
        return f"there is no result under key {key} yet"
    if stored.expiration is not None and stored.expiration <= utc_now():
        return f"the result under key {key} expired at {stored.expiration}"
    return None


def _details(run: LivingTask, stored: results.StoredValue | None) -> states.StateDetails:
    record, until = run.record, stored.expiration if stored else None
    return states.StateDetails(record.flow_run_id, record.id, cache_key=record.cache_key, cache_expiration=until)


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
    fn: Any = task.fn.func if isinstance(task.fn, partial) else task.fn
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
