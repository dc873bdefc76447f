"""Flows, tasks and what surrounds them; importing this package loads none of it.

Each public name is loaded from its module when it is first asked for, so that
``from orchestration import flow, task`` costs a script next to nothing.
"""

from typing import Any

_MODULE_BY_NAME = {
    name: f"orchestration.{module}"
    for module, names in {
        "sdk.flows": "flow Flow",
        "sdk.tasks": "task Task",
        "sdk.annotations": "unmapped allow_failure quote",
        "sdk.futures": "TaskFuture TaskFutureList wait as_completed",
        "sdk.runners": "ThreadPoolTaskRunner",
        "sdk.logs": "get_run_logger get_logger",
        "sdk.context": "tags",
        "sdk.transactions": "transaction get_transaction Transaction CommitMode IsolationLevel",
        "sdk.concurrency": "concurrency rate_limit",
        "domain.states": (
            "State StateType Pending Running Completed Failed Crashed Cancelled Cancelling Scheduled Paused Retrying "
            "AwaitingRetry Late Cached RolledBack TimedOut"
        ),
        "domain.retries": "exponential_backoff",
    }.items()
    for name in names.split()
}

__all__ = sorted(_MODULE_BY_NAME)


def __getattr__(name: str) -> Any:
    """Load a public name."""
    from importlib import import_module

    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module 'orchestration' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_BY_NAME[name]), name)
    globals()[name] = value
    return value
