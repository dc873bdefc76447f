"""``@flow``: a function whose calls are flow runs.

This file loads nothing but the standard library's lightest parts: decorating is free, and the first
call loads the engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from copy import copy
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

from orchestration.domain.functions import check_decorated, is_async
from orchestration.sdk.decorating import callables, check_parameters

if TYPE_CHECKING:
    from orchestration.domain.states import State
    from orchestration.sdk.parameters import Binder

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")

Hook = Callable[[Any, Any, Any], Awaitable[None] | None]
Delay = float | int | list[float] | Callable[[int], list[float]]

HOOKS = ("on_completion", "on_failure", "on_cancellation", "on_crashed", "on_running")


class Flow(Generic[P, R]):
    """A function and what its runs are to be like; made by ``@flow``."""

    def __init__(
        self,
        fn: Callable[P, R],
        name: str | None = None,
        version: str | None = None,
        flow_run_name: Callable[[], str] | str | None = None,
        retries: int | None = None,
        retry_delay_seconds: Delay | None = None,
        task_runner: Any = None,
        description: str | None = None,
        timeout_seconds: float | int | None = None,
        validate_parameters: bool = True,
        persist_result: bool | None = None,
        result_storage: Any = None,
        result_serializer: Any = None,
        cache_result_in_memory: bool = True,
        log_prints: bool | None = None,
        on_completion: list[Hook] | None = None,
        on_failure: list[Hook] | None = None,
        on_cancellation: list[Hook] | None = None,
        on_crashed: list[Hook] | None = None,
        on_running: list[Hook] | None = None,
        retry_jitter_factor: float | None = None,
        retry_condition_fn: Callable[..., Any] | None = None,
    ) -> None:
        check_decorated(fn, "flow")
        check_parameters(fn, "flow")
        self.fn = fn
        self.name = name or str(getattr(fn, "__name__", type(fn).__name__)).replace("_", "-")
        self.version = version
        self.flow_run_name = flow_run_name
        self.retries = retries
        self.retry_delay_seconds = retry_delay_seconds
        self.retry_jitter_factor = retry_jitter_factor
        self.retry_condition_fn = retry_condition_fn
        self.task_runner = task_runner
        self.description = description or getattr(fn, "__doc__", None)
        self.timeout_seconds = float(timeout_seconds) if timeout_seconds else None
        self.should_validate_parameters = validate_parameters
        self.persist_result = persist_result
        self.result_storage = result_storage
        self.result_serializer = result_serializer
        self.cache_result_in_memory = cache_result_in_memory
        self.log_prints = log_prints
        self.on_completion_hooks = callables(on_completion, "on_completion")
        self.on_failure_hooks = callables(on_failure, "on_failure")
        self.on_cancellation_hooks = callables(on_cancellation, "on_cancellation")
        self.on_crashed_hooks = callables(on_crashed, "on_crashed")
        self.on_running_hooks = callables(on_running, "on_running")
        self.isasync = is_async(fn)
        self.__name__ = getattr(fn, "__name__", self.name)
        self.__doc__ = getattr(fn, "__doc__", None)
        self.__wrapped__ = fn
        self._binder: Binder | None = None

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    def __call__(
        self: Flow[P, Coroutine[Any, Any, T]],
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
        """Run the flow; its result, or with ``return_state=True`` its final state. Async flows are to be awaited.

        Raises:
            ParameterTypeError: a parameter does not fit its annotation.
            Exception: the flow's own, when it failed.
        """
        from orchestration.sdk.flow_engine import run_flow

        return run_flow(self, args, kwargs)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Flow[P, R]: ...

    @overload
    def __get__(self: Flow[Concatenate[Any, Q], R], instance: object, owner: type | None = None) -> Flow[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A decorated method, bound to the instance that it is called on."""
        if instance is None:
            return self
        bound = copy(self)
        bound.fn = MethodType(self.fn, instance)
        bound._binder = None
        return bound

    def with_options(self, **options: Any) -> Flow[P, R]:
        """A copy with some of the decorator's arguments changed."""
        from orchestration.sdk.options import with_options

        return with_options(self, options)

    @property
    def binder(self) -> Binder:
        """The flow's signature, ready to bind arguments to."""
        if self._binder is None:
            from orchestration.sdk.parameters import Binder

            self._binder = Binder(self.fn, self.name)
        return self._binder

    def on_completion(self, fn: Hook) -> Hook:
        """Decorate a function to be called when a run of this flow completes."""
        self.on_completion_hooks.append(fn)
        return fn

    def on_failure(self, fn: Hook) -> Hook:
        """Decorate a function to be called when a run of this flow fails."""
        self.on_failure_hooks.append(fn)
        return fn

    def on_cancellation(self, fn: Hook) -> Hook:
        """Decorate a function to be called when a run of this flow is cancelled."""
        self.on_cancellation_hooks.append(fn)
        return fn

    def on_crashed(self, fn: Hook) -> Hook:
        """Decorate a function to be called when a run of this flow crashes."""
        self.on_crashed_hooks.append(fn)
        return fn

    def on_running(self, fn: Hook) -> Hook:
        """Decorate a function to be called when a run of this flow starts."""
        self.on_running_hooks.append(fn)
        return fn

    def __repr__(self) -> str:
        return f"Flow({self.name!r})"


class FlowDecorator:
    """The type of ``flow``: used with or without arguments, it keeps the function's signature."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, T]], /) -> Flow[P, Coroutine[Any, Any, T]]: ...

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Flow[P, R]: ...

    @overload
    def __call__(
        self,
        fn: None = None,
        /,
        *,
        name: str | None = None,
        version: str | None = None,
        flow_run_name: Callable[[], str] | str | None = None,
        retries: int | None = None,
        retry_delay_seconds: Delay | None = None,
        task_runner: Any = None,
        description: str | None = None,
        timeout_seconds: float | int | None = None,
        validate_parameters: bool = True,
        persist_result: bool | None = None,
        result_storage: Any = None,
        result_serializer: Any = None,
        cache_result_in_memory: bool = True,
        log_prints: bool | None = None,
        on_completion: list[Hook] | None = None,
        on_failure: list[Hook] | None = None,
        on_cancellation: list[Hook] | None = None,
        on_crashed: list[Hook] | None = None,
        on_running: list[Hook] | None = None,
        retry_jitter_factor: float | None = None,
        retry_condition_fn: Callable[..., Any] | None = None,
    ) -> Callable[[Callable[P, R]], Flow[P, R]]: ...

    def __call__(self, fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Turn a function into a flow."""
        if fn is None:
            return lambda function: Flow(function, **options)
        return Flow(fn, **options)


flow = FlowDecorator()
