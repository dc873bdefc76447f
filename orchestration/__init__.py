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
        "sdk.process_runner": "ProcessPoolTaskRunner",
        "sdk.artifacts": (
            "create_markdown_artifact create_table_artifact create_link_artifact create_image_artifact "
            "create_progress_artifact update_progress_artifact get_artifact acreate_markdown_artifact "
            "acreate_table_artifact acreate_link_artifact acreate_image_artifact acreate_progress_artifact "
            "aupdate_progress_artifact"
        ),
        "sdk.variables": "Variable",
        "sdk.pauses": (
            "pause_flow_run suspend_flow_run resume_flow_run apause_flow_run asuspend_flow_run aresume_flow_run"
        ),
        "sdk.client": "get_client",
        "sdk.testing": "test_harness",
        "sdk.blocks": "Block",
        "sdk.secret_block": "Secret",
        "sdk.filesystems": "LocalFileSystem",
        "sdk.locking": "MemoryLockManager FileSystemLockManager",
        "sdk.serializers": "PickleSerializer JSONSerializer CompressedSerializer",
        "domain.caching": (
            "CachePolicy CacheKeyFnPolicy INPUTS TASK_SOURCE RUN_ID FLOW_PARAMETERS NO_CACHE NONE DEFAULT"
        ),
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

_MODULES = {
    "runtime": "orchestration.sdk.runtime",
    "cache_policies": "orchestration.domain.caching",
}

__all__ = sorted([*_MODULE_BY_NAME, *_MODULES])  # noqa: PLE0605 - a list of texts, made of one table


def __getattr__(name: str) -> Any:
    """Load a public name."""
    from importlib import import_module

    if name in _MODULES:
        value = import_module(_MODULES[name])
    elif name in _MODULE_BY_NAME:
        value = getattr(import_module(_MODULE_BY_NAME[name]), name)
    else:
        raise AttributeError(f"module 'orchestration' has no attribute {name!r}")
    globals()[name] = value
    return value
