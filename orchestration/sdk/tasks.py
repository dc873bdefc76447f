"""``@task``: a function whose calls are task runs.

Like ``flows``, this file loads nothing heavy; the first call loads the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Concatenate, Generic, overload

from orchestration.domain.functions import qualified_name
from orchestration.sdk.decorating import Decorated, Delay, Hooks, Options, P, Q, R, T, WaitFor, decorate, hook_adder

if TYPE_CHECKING:
    from orchestration.domain.caching import CachePolicy


TransactionHooks = list[Callable[[Any], None]] | None


class Task(Decorated[P, R]):
    """A function and what its runs are to be like; made by ``@task``."""

    _kind = "task"
    cache_policy: CachePolicy | None
    cache_expiration: timedelta | None

    def __init__(
        self, fn: Callable[P, R], name: str | None = None, description: str | None = None,
        tags: Iterable[str] | None = None, version: str | None = None, cache_policy: CachePolicy | None = None,
        cache_key_fn: Callable[[Any, dict[str, Any]], str | None] | None = None,
        cache_expiration: timedelta | None = None, task_run_name: Callable[..., str] | str | None = None,
        retries: int | None = None, retry_delay_seconds: Delay | None = None, retry_jitter_factor: float | None = None,
        retry_condition_fn: Callable[[Any, Any, Any], Any] | None = None, persist_result: bool | None = None,
        result_storage_key: str | None = None, timeout_seconds: float | int | None = None,
        log_prints: bool | None = None, refresh_cache: bool | None = None, result_storage: Any = None,
        result_serializer: Any = None, cache_result_in_memory: bool = True, on_completion: Hooks = None,
        on_failure: Hooks = None, on_running: Hooks = None, on_rollback: TransactionHooks = None,
        on_commit: TransactionHooks = None, asset_deps: list[Any] | None = None, viz_return_value: Any = None,
    ) -> None:  # fmt: skip
        self._keep(locals())
        self.tags = frozenset(tags or ())
        self.asset_deps = list(asset_deps or ())
        self.task_key = qualified_name(fn)

    on_rollback = hook_adder("on_rollback", "the transaction around a run is rolled back")
    on_commit = hook_adder("on_commit", "the transaction around a run is committed")

    def _run(self, *call: Any) -> Any:
        from orchestration.sdk.task_engine import call_task

        return call_task(self, *call)

    def submit(self, *args: Any, return_state: bool = False, wait_for: WaitFor = None, **kwargs: Any) -> Any:
        """Run the task in the flow's task runner; a future of its outcome (with ``return_state``, its final state).

        Raises:
            MissingContextError: outside a flow.
        """
        from orchestration.sdk.task_engine import submit_task

        return submit_task(self, args, kwargs, wait_for, return_state)

    def map(self, *args: Any, return_state: bool = False, wait_for: WaitFor = None, **kwargs: Any) -> Any:
        """Submit one run for each element of the iterable arguments; other arguments go to every run.

        Raises:
            MappingLengthMismatch: the iterables differ in length.
            MappingMissingIterable: there is no iterable.
        """
        from orchestration.sdk.task_engine import map_task

        return map_task(self, args, kwargs, wait_for, return_state)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Task[P, R]: ...

    @overload
    def __get__(self: Task[Concatenate[Any, Q], R], instance: object, owner: type | None = None) -> Task[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A decorated method, bound to the instance that it is called on."""
        return self._bound_to(instance)


class TaskDecorator(Generic[Options]):
    """The type of ``task``: used with or without options, it keeps the function's signature."""

    def __init__(self, _takes: Callable[Concatenate[Any, Any, Options], None]) -> None:
        """Its options are the arguments of ``Task`` after the function."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, T]], /) -> Task[P, Coroutine[Any, Any, T]]: ...

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def __call__(
        self, fn: None = None, /, *_: Options.args, **options: Options.kwargs
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    def __call__(self, fn: Callable[..., Any] | None = None, /, *_: Any, **options: Any) -> Any:
        """Turn a function into a task."""
        return decorate(Task, fn, options)


task = TaskDecorator(Task.__init__)
