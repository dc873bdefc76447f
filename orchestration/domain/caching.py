"""Cache policies: what makes two calls of a task the same call.

A policy turns a call into a key, or into ``None`` when the call is not to be cached. How values are
hashed and how source is read come as arguments, so that this file reads nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from orchestration.domain.errors import UsageError

# Values by the name of the argument or parameter.
Values = dict[str, Any]


@dataclass(frozen=True)
class CachePolicy:
    """Base of all policies; subclass it and give ``compute_key`` to make your own.

    ``key_storage``, ``isolation_level`` and ``lock_manager`` say where the keys lie and whether two
    callers may compute the same key at once; see ``configure``.
    """

    key_storage: Any = field(default=None, kw_only=True)
    isolation_level: Any = field(default=None, kw_only=True)
    lock_manager: Any = field(default=None, kw_only=True)

    def configure(self, **places: Any) -> CachePolicy:
        """A copy with another ``key_storage``, ``lock_manager`` or ``isolation_level``."""
        return replace(self, **{name: value for name, value in places.items() if value is not None})

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
        return self if isinstance(other, NoCache) else _compound([self, other])

    def __sub__(self, other: str) -> CachePolicy:
        if not isinstance(other, str):
            raise UsageError("Subtract the name of an argument from a cache policy, as in INPUTS - 'debug'.")
        return self._without(other)

    def _without(self, argument: str) -> CachePolicy:
        return self


@dataclass(frozen=True)
class CacheKeyFnPolicy(CachePolicy):
    """The key that a function of (task run context, arguments) gives."""

    cache_key_fn: Callable[[Any, Values], str | None] | None = None

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        return self.cache_key_fn(task_ctx, inputs) if self.cache_key_fn else None


@dataclass(frozen=True)
class CompoundCachePolicy(CachePolicy):
    """The same call only where all of its policies say so; keys of ``None`` do not count."""

    policies: tuple[CachePolicy, ...] = ()

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        keys = [policy.compute_key(task_ctx, inputs, flow_parameters, **kwargs) for policy in self.policies]
        return _hash(kwargs, *(key for key in keys if key is not None))

    def _without(self, argument: str) -> CachePolicy:
        return replace(self, policies=tuple(policy - argument for policy in self.policies))


@dataclass(frozen=True)
class NoCache(CacheKeyFnPolicy):
    """Never the same call: there is no function that gives a key."""

    def __add__(self, other: CachePolicy) -> CachePolicy:
        return other


@dataclass(frozen=True)
class Inputs(CachePolicy):
    """The same call while the arguments, but for the excluded ones, stay the same."""

    exclude: tuple[str, ...] = ()

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        counted = {name: value for name, value in inputs.items() if name not in self.exclude}
        return _hash(kwargs, *([counted] if inputs else []))

    def _without(self, argument: str) -> CachePolicy:
        return replace(self, exclude=(*self.exclude, argument))


@dataclass(frozen=True)
class Surroundings(CachePolicy):
    """The same call while one thing around it stays the same; ``key_of`` gives its key."""

    key_of: Callable[[Any, Values, Values], str | None]

    def compute_key(self, task_ctx: Any, inputs: Values, flow_parameters: Values, **kwargs: Any) -> str | None:
        return self.key_of(task_ctx, flow_parameters, kwargs)


def _source(task_ctx: Any, _flow_parameters: Values, tools: Values) -> str | None:
    return _hash(tools, tools["source_of"](task_ctx.task)) if task_ctx else None


def _flow_parameters(_task_ctx: Any, flow_parameters: Values, tools: Values) -> str | None:
    return _hash(tools, flow_parameters) if flow_parameters else None


def _run(task_ctx: Any, _flow_parameters: Values, _tools: Values) -> str | None:
    """Of the flow run; outside flows, of the task run."""
    return str(task_ctx.task_run.flow_run_id or task_ctx.task_run.id) if task_ctx else None


def _hash(tools: Values, *values: Any) -> str | None:
    return str(tools["hash_objects"](*values)) if values else None


def _compound(parts: list[CachePolicy]) -> CompoundCachePolicy:
    """One policy of many, flattened, with the storage, isolation and locks that any of them names."""
    chosen: dict[str, Any] = {}
    for name in ("key_storage", "isolation_level", "lock_manager"):
        values = [value for part in parts if (value := getattr(part, name)) is not None]
        if any(value != values[0] for value in values):
            raise UsageError(f"These cache policies name two different values of {name}; give them the same one.")
        chosen[name] = values[0] if values else None
    flat = [leaf for part in parts for leaf in (part.policies if isinstance(part, CompoundCachePolicy) else (part,))]
    return CompoundCachePolicy(tuple(flat), **chosen)


INPUTS = Inputs()
TASK_SOURCE, RUN_ID, FLOW_PARAMETERS = Surroundings(_source), Surroundings(_run), Surroundings(_flow_parameters)
NONE = NO_CACHE = NoCache()
DEFAULT = INPUTS + TASK_SOURCE + RUN_ID
