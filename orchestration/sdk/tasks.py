"""``@task``: a function whose calls are task runs; first, what tasks have in common with flows.

This file loads nothing but the standard library's lightest parts: decorating is free, and the first
call loads the engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from copy import copy
from datetime import timedelta
from functools import partial, update_wrapper
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Generic, Literal, ParamSpec, Self, TypeVar, cast, overload

from orchestration.domain.errors import UsageError
from orchestration.domain.functions import check_decorated, is_async, qualified_name

if TYPE_CHECKING:
    from orchestration.domain.caching import CachePolicy
    from orchestration.domain.states import State


P = ParamSpec("P")
Q = ParamSpec("Q")
Options = ParamSpec("Options")
R = TypeVar("R")
T = TypeVar("T")
Added = TypeVar("Added", bound=Callable[..., Any])

Hook = Callable[[Any, Any, Any], Awaitable[None] | None]
Hooks = list[Hook] | None
WaitFor = Iterable[Any] | None
Delay = float | int | list[float] | Callable[[int], list[float]]


def hook_adder(option: str, moment: str) -> Callable[[Any, Added], Added]:
    """A method that decorates a function to be called at a moment of each run."""

    def add(self: Any, fn: Added) -> Added:
        getattr(self, f"{option}_hooks").append(fn)
        return fn

    add.__name__, add.__doc__ = option, f"Decorate a function to be called when {moment}."
    return add


class Decorated(Generic[P, R]):
    """A function and what its runs are to be like.

    Each option of the decorator is an attribute; declared are those that others than the engine ask for.
    """

    _kind: ClassVar[str]
    name: str
    description: str | None
    version: str | None
    isasync: bool
    retries: int | None
    timeout_seconds: float | None
    on_completion_hooks: list[Hook]
    on_failure_hooks: list[Hook]

    def _keep(self, given: Mapping[str, Any]) -> None:
        """Keep the arguments of ``__init__``.

        Raises:
            UsageError: the function cannot be a flow or task, or a list of hooks holds something else.
        """
        fn = given["fn"]
        check_decorated(fn, self._kind)
        _check_parameters(fn, self._kind)
        for option in self._options():
            attribute, value = self._attribute(option), given[option]
            setattr(self, attribute, callables(value, option) if attribute.endswith("_hooks") else value)
        self.fn: Callable[P, R] = fn
        self.timeout_seconds = float(self.timeout_seconds) if self.timeout_seconds else None
        named_after = str(getattr(fn, "__name__", type(fn).__name__))
        self.name = self.name or (named_after if self._kind == "task" else named_after.replace("_", "-"))
        self.description = self.description or getattr(fn, "__doc__", None)
        self.isasync = is_async(fn)
        self.__name__ = self.name
        update_wrapper(self, fn, ("__name__", "__doc__"), ())
        self._forget()

    @classmethod
    def _options(cls) -> tuple[str, ...]:
        """The arguments of ``__init__`` after the function."""
        code = cls.__init__.__code__
        return code.co_varnames[2 : code.co_argcount]

    @classmethod
    def _attribute(cls, option: str) -> str:
        if option == "validate_parameters":
            return "should_validate_parameters"
        return f"{option}_hooks" if option.startswith("on_") else option

    def _forget(self) -> None:
        """Let the engine work out anew what it keeps here of the signature and the retries."""
        self._binder: Any = None
        self._policy: Any = None

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    def __call__(
        self: Decorated[P, Coroutine[Any, Any, T]], *args: Any, return_state: Literal[True], wait_for: WaitFor = ...,
        **kwargs: Any,
    ) -> Coroutine[Any, Any, State]: ...  # fmt: skip

    @overload
    def __call__(self, *args: Any, return_state: Literal[True], wait_for: WaitFor = ..., **kwargs: Any) -> State: ...

    @overload
    def __call__(self, *args: Any, wait_for: Iterable[Any], **kwargs: Any) -> R: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it; its result, or with ``return_state=True`` its final state. Async ones are to be awaited.

        Raises:
            ParameterTypeError: a parameter of a flow does not fit its annotation.
            Exception: the function's own, when it failed.
        """
        return self._run(args, kwargs, kwargs.pop("wait_for", None), kwargs.pop("return_state", False))

    def _run(self, *call: Any) -> Any:
        """Load the engine and run the function in it."""
        raise NotImplementedError

    def _bound_to(self, instance: Any) -> Self:
        """A decorated method, bound to the instance that it is called on."""
        if instance is None:
            return self
        bound = copy(self)
        bound.fn = MethodType(self.fn, instance)
        bound._forget()
        return bound

    def with_options(self, **options: Any) -> Self:
        """A copy with some of the decorator's arguments changed.

        Raises:
            UsageError: the decorator has no such argument.
        """
        known = self._options()
        for option in options:
            if option not in known:
                raise UsageError(f"{self!r} has no option {option!r}; it has {', '.join(known)}.")
        kept = {option: getattr(self, self._attribute(option)) for option in known}
        return cast("Self", decorate(type(self), self.fn, {**kept, **options}))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    on_completion = hook_adder("on_completion", "a run completes")
    on_failure = hook_adder("on_failure", "a run fails")
    on_running = hook_adder("on_running", "a run starts")


def decorate(kind: Callable[..., Any], fn: Callable[..., Any] | None, options: Mapping[str, Any]) -> Any:
    """What a decorator with these options makes of a function; without the function, what will make it."""
    return partial(kind, **options) if fn is None else kind(fn, **options)


def callables(hooks: Any, option: str) -> list[Any]:
    """A list of its own of the functions that an option names.

    Raises:
        UsageError: it is no list, or something in it cannot be called.
    """
    listed = [None] if callable(hooks) else list(hooks or ())
    if not all(map(callable, listed)):
        raise UsageError(f"{option} is {hooks!r}; give a list of functions, as in {option}=[tell].")
    return listed


def _check_parameters(fn: Callable[..., Any], decorator: str) -> None:
    """Refuse a function with a parameter that the engine would take away from it."""
    code = getattr(fn, "__code__", None)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code is not None else ()
    for name in ("return_state", "wait_for"):
        if name in names:
            raise UsageError(f"A {decorator} cannot have a parameter {name!r}, which its calls use; rename it.")


TransactionHooks = list[Callable[[Any], None]] | None


class Task(Decorated[P, R]):
    """A function and what its runs are to be like; made by ``@task``."""

    _kind = "task"
    cache_policy: CachePolicy | None

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
