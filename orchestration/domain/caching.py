"""Cache policies: what makes two calls of a task the same call.

A policy turns a call into a key, or into ``None`` when the call is not to be cached. How values are
hashed and how source is read come as arguments, so that this file reads nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from orchestration.domain.errors import UsageError

Hasher = Callable[..., str]
Values = dict[str, Any]
"""Values by the name of the argument or parameter."""


@dataclass(frozen=True)
class CachePolicy:
    """Base of all policies; subclass it and give ``compute_key`` to make your own.

    ``key_storage``, ``isolation_level`` and ``lock_manager`` say where the keys lie and whether two
    callers may compute the same key at once; see ``configure``.
    """

    key_storage: Any = field(default=None, kw_only=True)
    isolation_level: Any = field(default=None, kw_only=True)
    lock_manager: Any = field(default=None, kw_only=True)

    @classmethod
    def from_cache_key_fn(cls, cache_key_fn: Callable[[Any, dict[str, Any]], str | None]) -> CacheKeyFnPolicy:
        """The policy that asks a function of (task run context, arguments)."""
        return CacheKeyFnPolicy(cache_key_fn)

    def configure(self, key_storage: Any = None, lock_manager: Any = None, isolation_level: Any = None) -> CachePolicy:
        """A copy with another place for its keys, lock manager or isolation level."""
        policy = copy(self)
        given = {"key_storage": key_storage, "lock_manager": lock_manager, "isolation_level": isolation_level}
        for name, value in given.items():
            if value is not None:
                object.__setattr__(policy, name, value)
        return policy

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        """The key of a call, or ``None`` not to cache it.

        Args:
            task_ctx: the task run's context (``task``, ``task_run``, ``parameters``).
            inputs: the task's arguments by name.
            flow_parameters: the parameters of the flow run around it.
            kwargs: ``hash_objects(*values) -> str`` and ``source_of(task) -> str``.
        """
        raise NotImplementedError("Give your CachePolicy a compute_key method.")

    def __add__(self, other: CachePolicy) -> CachePolicy:
        if isinstance(other, NoCache):
            return self
        return _compound([self, other])

    def __sub__(self, other: str) -> CachePolicy:
        if not isinstance(other, str):
            raise UsageError("Subtract the name of an argument from a cache policy, as in INPUTS - 'debug'.")
        return self


@dataclass(frozen=True)
class CacheKeyFnPolicy(CachePolicy):
    """The key that a function of (task run context, arguments) gives."""

    cache_key_fn: Callable[[Any, dict[str, Any]], str | None] | None = None

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        return self.cache_key_fn(task_ctx, inputs) if self.cache_key_fn else None


@dataclass(frozen=True)
class CompoundCachePolicy(CachePolicy):
    """The same call only where all of its policies say so; keys of ``None`` do not count."""

    policies: tuple[CachePolicy, ...] = ()

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        keys = [policy.compute_key(task_ctx, inputs, flow_parameters, **kwargs) for policy in self.policies]
        given = [key for key in keys if key is not None]
        return _hash(kwargs, *given) if given else None

    def __sub__(self, other: str) -> CachePolicy:
        super().__sub__(other)
        return replace(self, policies=tuple(policy - other for policy in self.policies))


@dataclass(frozen=True)
class NoCache(CachePolicy):
    """Never the same call."""

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        return None

    def __add__(self, other: CachePolicy) -> CachePolicy:
        return other


@dataclass(frozen=True)
class TaskSource(CachePolicy):
    """The same call while the task's source code stays the same."""

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        return _hash(kwargs, kwargs["source_of"](task_ctx.task)) if task_ctx else None


@dataclass(frozen=True)
class FlowParameters(CachePolicy):
    """The same call while the flow run's parameters stay the same."""

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        return _hash(kwargs, flow_parameters) if flow_parameters else None


@dataclass(frozen=True)
class RunId(CachePolicy):
    """The same call only within one flow run (outside flows: one task run)."""

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        if not task_ctx:
            return None
        return str(task_ctx.task_run.flow_run_id or task_ctx.task_run.id)


@dataclass(frozen=True)
class Inputs(CachePolicy):
    """The same call while the arguments, but for the excluded ones, stay the same."""

    exclude: tuple[str, ...] = ()

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        if not inputs:
            return None
        counted: Mapping[str, Any] = {name: value for name, value in inputs.items() if name not in self.exclude}
        return _hash(kwargs, counted)

    def __sub__(self, other: str) -> CachePolicy:
        super().__sub__(other)
        return replace(self, exclude=(*self.exclude, other))


INPUTS = Inputs()
TASK_SOURCE = TaskSource()
RUN_ID = RunId()
FLOW_PARAMETERS = FlowParameters()
NO_CACHE = NoCache()
NONE = NO_CACHE


def _hash(tools: Mapping[str, Any], *values: Any) -> str:
    hasher: Hasher = tools["hash_objects"]
    return hasher(*values)


def _compound(parts: list[CachePolicy]) -> CompoundCachePolicy:
    """One policy of many, flattened, with the storage, isolation and locks that any of them names."""
    chosen: dict[str, Any] = {}
    for name in ("key_storage", "isolation_level", "lock_manager"):
        values = [getattr(part, name) for part in parts if getattr(part, name) is not None]
        if any(value != values[0] for value in values):
            raise UsageError(f"These cache policies name two different values of {name}; give them the same one.")
        chosen[name] = values[0] if values else None
    flat = [leaf for part in parts for leaf in (part.policies if isinstance(part, CompoundCachePolicy) else (part,))]
    return CompoundCachePolicy(tuple(flat), **chosen)


DEFAULT = INPUTS + TASK_SOURCE + RUN_ID
