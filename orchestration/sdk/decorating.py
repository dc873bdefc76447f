"""What flows and tasks have in common: a function, the options of its runs, and calls that keep its signature.

Loads nothing: decorating is to stay free.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from copy import copy
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, ParamSpec, Self, TypeVar, cast, overload

from orchestration.domain.errors import UsageError

if TYPE_CHECKING:
    from orchestration.domain.states import State

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200  # CO_* flags of the language's data model

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


def hooking(option: str, moment: str) -> Callable[[Any, Added], Added]:
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
    retry_delay_seconds: Delay | None
    timeout_seconds: float | None
    log_prints: bool | None
    persist_result: bool | None
    on_completion_hooks: list[Hook]
    on_failure_hooks: list[Hook]
    on_running_hooks: list[Hook]

    def _keep(self, given: Mapping[str, Any]) -> None:
        """Keep the arguments of ``__init__``.

        Raises:
            UsageError: the function cannot be a flow or task, or a list of hooks holds something else.
        """
        fn = given["fn"]
        check_decorated(fn, self._kind)
        for option in self._options():
            attribute, value = self._attribute(option), given[option]
            setattr(self, attribute, callables(value, option) if attribute.endswith("_hooks") else value)
        self.fn: Callable[P, R] = fn
        self.timeout_seconds = float(self.timeout_seconds) if self.timeout_seconds else None
        named_after = str(getattr(fn, "__name__", type(fn).__name__))
        self.name = self.name or (named_after if self._kind == "task" else named_after.replace("_", "-"))
        self.description = self.description or getattr(fn, "__doc__", None)
        self.isasync = is_async(fn)
        self.__name__ = getattr(fn, "__name__", self.name)
        self.__doc__ = getattr(fn, "__doc__", None)
        self.__wrapped__ = fn
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

    on_completion = hooking("on_completion", "a run completes")
    on_failure = hooking("on_failure", "a run fails")
    on_running = hooking("on_running", "a run starts")

    def __getstate__(self) -> Mapping[str, Any]:
        return {**self.__dict__, "_binder": None, "_policy": None}


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


def check_decorated(fn: Any, decorator: str) -> None:
    """Refuse what cannot be a flow or task.

    Raises:
        UsageError: it is not callable, a generator function, or has a parameter that the engine would take from it.
    """
    if isinstance(fn, classmethod | staticmethod):
        raise UsageError(f"Put @{type(fn).__name__} above @{decorator}, not below it.")
    if not callable(fn):
        raise UsageError(f"@{decorator} is for functions, not for {fn!r}; give its options by name, as in name='...'.")
    if _flags(fn) & (_GENERATOR | _ASYNC_GENERATOR):
        raise UsageError(f"{qualified_name(fn)} yields, and a {decorator} must return: collect the values in a list.")
    code = getattr(fn, "__code__", None)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code is not None else ()
    if taken := {"return_state", "wait_for"}.intersection(names):
        raise UsageError(f"A {decorator} cannot have a parameter {min(taken)!r}, which its calls use; rename it.")


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether calling the function gives a coroutine."""
    return bool(_flags(fn) & _COROUTINE)


def qualified_name(fn: Callable[..., Any]) -> str:
    """The module and name of a function, such as ``flows.train.<locals>.fit``."""
    inner = _inner(fn)
    module = getattr(inner, "__module__", None) or type(inner).__module__
    return f"{module}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"


def _inner(fn: Any) -> Any:
    while isinstance(fn, partial):
        fn = fn.func
    return fn


def _flags(fn: Callable[..., Any]) -> int:
    inner = _inner(fn)
    code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
    return int(getattr(code, "co_flags", 0))
