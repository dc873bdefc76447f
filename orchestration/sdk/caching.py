"""What a task run does about results: whether they are kept, where, and under which key."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from orchestration.domain.caching import DEFAULT, CacheKeyFnPolicy, CachePolicy, NoCache
from orchestration.domain.errors import HashError
from orchestration.domain.settings import Settings
from orchestration.sdk import runtime
from orchestration.sdk.context import FlowRunContext, ResultOptions
from orchestration.sdk.hashing import hash_objects, source_of
from orchestration.sdk.naming import filled_in
from orchestration.sdk.results import ResultStore, storage_of
from orchestration.sdk.serializers import serializer_of


@dataclass(frozen=True, slots=True)
class CacheContext:
    """What a cache key function is told of the run."""

    task: Any
    task_run: Any
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeptResults:
    """How one task run keeps its result: ``key`` is ``None`` when it cannot be the same call as another."""

    store: ResultStore
    key: str | None
    policy: CachePolicy | None
    why_no_key: str = ""


def is_kept(task: Any, flow: FlowRunContext | None, settings: Settings) -> bool:
    """Whether a task's results are written to storage.

    What the task says counts first; a cache policy, key function, storage or storage key asks for it
    as well; then what the flow says, then the settings.
    """
    if task.persist_result is not None:
        return bool(task.persist_result)
    if task.cache_policy is not None and not isinstance(task.cache_policy, NoCache):
        return True
    asked = (task.cache_key_fn, task.result_storage_key, task.result_storage, task.result_serializer)
    if asked != (None, None, None, None):
        return True
    of_flow = flow.results.persist if flow is not None else None
    return settings.persist_results if of_flow is None else of_flow


def kept_results(
    task: Any, record: Any, parameters: dict[str, Any], flow: FlowRunContext | None, settings: Settings
) -> KeptResults:
    """Where this call's result goes, and the key that makes it the same call as an earlier one."""
    options = flow.results if flow is not None else ResultOptions()
    policy = CacheKeyFnPolicy(task.cache_key_fn) if task.cache_key_fn is not None else task.cache_policy or DEFAULT
    place = getattr(policy, "key_storage", None) or task.result_storage or options.storage
    serializer = serializer_of(task.result_serializer or options.serializer)
    store = ResultStore(storage_of(place, settings.storage_path), serializer, policy.lock_manager)
    if task.result_storage_key is not None:
        return KeptResults(store, _filled_in(task.result_storage_key, task, record, parameters), None)
    inputs = {"self": task.fn.__self__, **parameters} if inspect.ismethod(task.fn) else parameters
    call = CacheContext(task, record, parameters), inputs, flow.parameters if flow is not None else {}
    try:
        key = policy.compute_key(*call, hash_objects=hash_objects, source_of=source_of)
    except Exception as error:  # of the user's key function or policy too; the task itself has not failed
        failed = f"the cache key could not be computed ({type(error).__name__}: {error})"
        return KeptResults(store, None, policy, str(error) if isinstance(error, HashError) else failed)
    return KeptResults(store, key, policy, "" if key else "the cache policy gives no key for this call")


def _filled_in(template: str, task: Any, record: Any, parameters: Mapping[str, Any]) -> str:
    """The storage key that a template such as ``{flow_run.name}/{parameters[month]}.json`` gives."""
    facts = {"id": record.id, "name": record.name, "task_name": task.name, "tags": record.tags}
    known = {
        "flow_run": runtime.flow_run, "deployment": runtime.deployment,
        "task_run": SimpleNamespace(**facts, run_count=record.run_count, parameters=parameters),
        "parameters": parameters,
    }
    may_use = f"flow_run, task_run, deployment and parameters ({', '.join(parameters) or 'none here'})"
    return filled_in(template, {**parameters, **known}, "result_storage_key", may_use)
