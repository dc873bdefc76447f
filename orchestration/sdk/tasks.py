"""``@task``: a function whose calls are task runs.

Like ``flows``, this file loads nothing heavy; the first call loads the engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from copy import copy
from datetime import timedelta
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

from orchestration.domain.functions import check_decorated, is_async, qualified_name
from orchestration.sdk.decorating import callables, check_parameters

if TYPE_CHECKING:
    from orchestration.domain.caching import CachePolicy
    from orchestration.domain.retries import RetryPolicy
    from orchestration.domain.states import State
    from orchestration.sdk.parameters import Binder

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")

Hook = Callable[[Any, Any, Any], Awaitable[None] | None]
TransactionHook = Callable[[Any], None]
Delay = float | int | list[float] | Callable[[int], list[float]]

HOOKS = ("on_completion", "on_failure", "on_running")
TRANSACTION_HOOKS = ("on_rollback", "on_commit")


class Task(Generic[P, R]):
    """A function and what its runs are to be like; made by ``@task``."""

    def __init__(
        self,
        fn: Callable[P, R],
        name: str | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        version: str | None = None,
        cache_policy: CachePolicy | None = None,
        cache_key_fn: Callable[[Any, dict[str, Any]], str | None] | None = None,
        cache_expiration: timedelta | None = None,
        task_run_name: Callable[..., str] | str | None = None,
        retries: int | None = None,
        retry_delay_seconds: Delay | None = None,
        retry_jitter_factor: float | None = None,
        retry_condition_fn: Callable[[Any, Any, Any], Any] | None = None,
        persist_result: bool | None = None,
        result_storage_key: str | None = None,
        timeout_seconds: float | int | None = None,
        log_prints: bool | None = None,
        refresh_cache: bool | None = None,
        result_storage: Any = None,
        result_serializer: Any = None,
        cache_result_in_memory: bool = True,
        on_completion: list[Hook] | None = None,
        on_failure: list[Hook] | None = None,
        on_running: list[Hook] | None = None,
        on_rollback: list[TransactionHook] | None = None,
        on_commit: list[TransactionHook] | None = None,
        asset_deps: list[Any] | None = None,
        viz_return_value: Any = None,
    ) -> None:
        check_decorated(fn, "task")
        check_parameters(fn, "task")
        self.fn = fn
        self.name: str = name or str(getattr(fn, "__name__", type(fn).__name__))
        self.description = description or getattr(fn, "__doc__", None)
        self.tags = frozenset(tags or ())
        self.version = version
        self.task_key = qualified_name(fn)
        self.cache_policy = cache_policy
        self.cache_key_fn = cache_key_fn
        self.cache_expiration = cache_expiration
        self.task_run_name = task_run_name
        self.retries = retries
        self.retry_delay_seconds = retry_delay_seconds
        self.retry_jitter_factor = retry_jitter_factor
        self.retry_condition_fn = retry_condition_fn
        self.persist_result = persist_result
        self.result_storage_key = result_storage_key
        self.timeout_seconds = float(timeout_seconds) if timeout_seconds else None
        self.log_prints = log_prints
        self.refresh_cache = refresh_cache
        self.result_storage = result_storage
        self.result_serializer = result_serializer
        self.cache_result_in_memory = cache_result_in_memory
        self.on_completion_hooks = callables(on_completion, "on_completion")
        self.on_failure_hooks = callables(on_failure, "on_failure")
        self.on_running_hooks = callables(on_running, "on_running")
        self.on_rollback_hooks = callables(on_rollback, "on_rollback")
        self.on_commit_hooks = callables(on_commit, "on_commit")
        self.asset_deps = list(asset_deps or ())
        self.viz_return_value = viz_return_value
        self.isasync = is_async(fn)
        self.__name__ = getattr(fn, "__name__", self.name)
        self.__doc__ = getattr(fn, "__doc__", None)
        self.__wrapped__ = fn
        self._binder: Binder | None = None
        self._policy: RetryPolicy | None = None

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    def __call__(
        self: Task[P, Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[Any] = ...,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, State]: ...

    @overload
    def __call__(
        self, *args: Any, return_state: Literal[True], wait_for: Iterable[Any] = ..., **kwargs: Any
    ) -> State: ...

    @overload
    def __call__(self, *args: Any, wait_for: Iterable[Any], **kwargs: Any) -> R: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task here and now; its result, or with ``return_state=True`` its final state.

        Raises:
            Exception: the task's own, when it failed.
        """
        from orchestration.sdk.task_engine import call_task

        return call_task(self, args, kwargs)

    def submit(
        self, *args: Any, return_state: bool = False, wait_for: Iterable[Any] | None = None, **kwargs: Any
    ) -> Any:
        """Run the task in the flow's task runner; a future of its outcome (with ``return_state``, its final state).

        Raises:
            MissingContextError: outside a flow.
        """
        from orchestration.sdk.submission import submit_task

        return submit_task(self, args, kwargs, return_state, wait_for or ())

    def map(self, *args: Any, return_state: bool = False, wait_for: Iterable[Any] | None = None, **kwargs: Any) -> Any:
        """Submit one run for each element of the iterable arguments; other arguments go to every run.

        Raises:
            MappingLengthMismatch: the iterables differ in length.
            MappingMissingIterable: there is no iterable.
        """
        from orchestration.sdk.submission import map_task

        return map_task(self, args, kwargs, return_state, wait_for or ())

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Task[P, R]: ...

    @overload
    def __get__(self: Task[Concatenate[Any, Q], R], instance: object, owner: type | None = None) -> Task[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A decorated method, bound to the instance that it is called on."""
        if instance is None:
            return self
        bound = copy(self)
        bound.fn = MethodType(self.fn, instance)
        bound._binder = None
        return bound

    def with_options(self, **options: Any) -> Task[P, R]:
        """A copy with some of the decorator's arguments changed."""
        from orchestration.sdk.options import with_options

        return with_options(self, options)

    @property
    def binder(self) -> Binder:
        """The task's signature, ready to bind arguments to."""
        if self._binder is None:
            from orchestration.sdk.parameters import Binder

            self._binder = Binder(self.fn, self.name)
        return self._binder

    def on_completion(self, fn: Hook) -> Hook:
        """Decorate a function to be called when a run of this task completes."""
        self.on_completion_hooks.append(fn)
        return fn

    def on_failure(self, fn: Hook) -> Hook:
        """Decorate a function to be called when a run of this task fails."""
        self.on_failure_hooks.append(fn)
        return fn

    def on_running(self, fn: Hook) -> Hook:
        """Decorate a function to be called when a run of this task starts."""
        self.on_running_hooks.append(fn)
        return fn

    def on_rollback(self, fn: TransactionHook) -> TransactionHook:
        """Decorate a function to be called when the transaction around a run is rolled back."""
        self.on_rollback_hooks.append(fn)
        return fn

    def on_commit(self, fn: TransactionHook) -> TransactionHook:
        """Decorate a function to be called when the transaction around a run is committed."""
        self.on_commit_hooks.append(fn)
        return fn

    def __repr__(self) -> str:
        return f"Task({self.name!r})"

    def __getstate__(self) -> Mapping[str, Any]:
        return {**self.__dict__, "_binder": None, "_policy": None}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)


class TaskDecorator:
    """The type of ``task``: used with or without arguments, it keeps the function's signature."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, T]], /) -> Task[P, Coroutine[Any, Any, T]]: ...

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def __call__(
        self,
        fn: None = None,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        version: str | None = None,
        cache_policy: CachePolicy | None = None,
        cache_key_fn: Callable[[Any, dict[str, Any]], str | None] | None = None,
        cache_expiration: timedelta | None = None,
        task_run_name: Callable[..., str] | str | None = None,
        retries: int | None = None,
        retry_delay_seconds: Delay | None = None,
        retry_jitter_factor: float | None = None,
        retry_condition_fn: Callable[[Any, Any, Any], Any] | None = None,
        persist_result: bool | None = None,
        result_storage_key: str | None = None,
        timeout_seconds: float | int | None = None,
        log_prints: bool | None = None,
        refresh_cache: bool | None = None,
        result_storage: Any = None,
        result_serializer: Any = None,
        cache_result_in_memory: bool = True,
        on_completion: list[Hook] | None = None,
        on_failure: list[Hook] | None = None,
        on_running: list[Hook] | None = None,
        on_rollback: list[TransactionHook] | None = None,
        on_commit: list[TransactionHook] | None = None,
        asset_deps: list[Any] | None = None,
        viz_return_value: Any = None,
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    def __call__(self, fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Turn a function into a task."""
        if fn is None:
            return lambda function: Task(function, **options)
        return Task(fn, **options)


task = TaskDecorator()
