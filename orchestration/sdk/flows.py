"""``@flow``: a function whose calls are flow runs.

Like ``tasks``, this file loads nothing heavy; the first call loads the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, Generic, cast, overload

from orchestration.sdk.tasks import Decorated, Delay, Hook, Hooks, Options, P, Q, R, T, decorate, hook_adder

if TYPE_CHECKING:
    from uuid import UUID

    from orchestration.sdk.projects.deploying import FlowDeployment


class Flow(Decorated[P, R]):
    """A function and what its runs are to be like; made by ``@flow``."""

    _kind = "flow"
    task_runner: Any
    should_validate_parameters: bool
    on_cancellation_hooks: list[Hook]
    on_crashed_hooks: list[Hook]
    # Where deployments find it, if ``from_source`` has found it there.
    _source: dict[str, Any] | None = None

    def __init__(
        self, fn: Callable[P, R], name: str | None = None, version: str | None = None,
        flow_run_name: Callable[[], str] | str | None = None, retries: int | None = None,
        retry_delay_seconds: Delay | None = None, task_runner: Any = None, description: str | None = None,
        timeout_seconds: float | int | None = None, validate_parameters: bool = True,
        persist_result: bool | None = None, result_storage: Any = None, result_serializer: Any = None,
        cache_result_in_memory: bool = True, log_prints: bool | None = None, on_completion: Hooks = None,
        on_failure: Hooks = None, on_cancellation: Hooks = None, on_crashed: Hooks = None, on_running: Hooks = None,
        retry_jitter_factor: float | None = None, retry_condition_fn: Callable[..., Any] | None = None,
    ) -> None:  # fmt: skip
        self._keep(locals())

    on_cancellation = hook_adder("on_cancellation", "a run is cancelled")
    on_crashed = hook_adder("on_crashed", "a run crashes")

    def _run(self, *call: Any) -> Any:
        from orchestration.sdk.flow_engine import run_flow

        return run_flow(self, *call)

    def to_deployment(self, name: str, **options: Any) -> FlowDeployment:
        """A deployment of the flow, for ``serve``; the options are those of ``deploy``."""
        from orchestration.sdk.projects.deploying import FlowDeployment

        return FlowDeployment(self, {"name": name, **options})

    def deploy(self, name: str, work_pool_name: str | None = None, **options: Any) -> UUID:
        """Deploy the flow to a work pool; the id of the deployment.

        Options: ``cron``, ``interval``, ``rrule``, ``schedule``, ``schedules``, ``parameters``, ``tags``, ``version``,
        ``description``, ``paused``, ``job_variables``, ``work_queue_name``, ``concurrency_limit`` and
        ``enforce_parameter_schema``. Schedules that are not spoken of stay as they are; an empty list clears them.

        Raises:
            ConfigurationError: it cannot be deployed so.
            UsageError: there is no such option.
        """
        return self.to_deployment(name, work_pool_name=work_pool_name, **options).deploy()

    def serve(self, name: str | None = None, limit: int | None = None, **options: Any) -> None:
        """Deploy the flow, and run here what is asked of it until this process is interrupted."""
        from orchestration.sdk.projects.deploying import serve

        serving = {key: options.pop(key) for key in ("pause_on_shutdown", "print_starting_message") if key in options}
        serve(self.to_deployment(name or self.name, **options), limit=limit, **serving)

    @staticmethod
    def from_source(source: Any, entrypoint: str) -> Flow[..., Any]:
        """The flow of an entrypoint in a folder, at an address of git's, or in a ``GitRepository``."""
        from orchestration.sdk.projects.deploying import flow_from_source

        return cast("Flow[..., Any]", flow_from_source(source, entrypoint))

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Flow[P, R]: ...

    @overload
    def __get__(self: Flow[Concatenate[Any, Q], R], instance: object, owner: type | None = None) -> Flow[Q, R]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """A decorated method, bound to the instance that it is called on."""
        return self._bound_to(instance)


class FlowDecorator(Generic[Options]):
    """The type of ``flow``: used with or without options, it keeps the function's signature."""

    from_source = staticmethod(Flow.from_source)

    def __init__(self, _takes: Callable[Concatenate[Any, Any, Options], None]) -> None:
        """Its options are the arguments of ``Flow`` after the function."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, T]], /) -> Flow[P, Coroutine[Any, Any, T]]: ...

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Flow[P, R]: ...

    @overload
    def __call__(
        self, fn: None = None, /, *_: Options.args, **options: Options.kwargs
    ) -> Callable[[Callable[P, R]], Flow[P, R]]: ...

    def __call__(self, fn: Callable[..., Any] | None = None, /, *_: Any, **options: Any) -> Any:
        """Turn a function into a flow."""
        return decorate(Flow, fn, options)


flow = FlowDecorator(Flow.__init__)
