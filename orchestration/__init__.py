"""Flows, tasks and what surrounds them; importing this package loads none of it.

Each public name is loaded from its module when it is first asked for, so that
``from orchestration import flow, task`` costs a script next to nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestration.domain import caching
    from orchestration.domain.caching import (
        DEFAULT as DEFAULT,
        FLOW_PARAMETERS as FLOW_PARAMETERS,
        INPUTS as INPUTS,
        NO_CACHE as NO_CACHE,
        NONE as NONE,
        RUN_ID as RUN_ID,
        TASK_SOURCE as TASK_SOURCE,
        CacheKeyFnPolicy as CacheKeyFnPolicy,
        CachePolicy as CachePolicy,
    )
    from orchestration.domain.retries import exponential_backoff as exponential_backoff
    from orchestration.domain.states import (
        AwaitingRetry as AwaitingRetry,
        Cached as Cached,
        Cancelled as Cancelled,
        Cancelling as Cancelling,
        Completed as Completed,
        Crashed as Crashed,
        Failed as Failed,
        Late as Late,
        Paused as Paused,
        Pending as Pending,
        Retrying as Retrying,
        RolledBack as RolledBack,
        Running as Running,
        Scheduled as Scheduled,
        State as State,
        StateType as StateType,
        Suspended as Suspended,
        TimedOut as TimedOut,
    )
    from orchestration.sdk import runtime as runtime
    from orchestration.sdk.annotations import allow_failure as allow_failure, quote as quote, unmapped as unmapped
    from orchestration.sdk.artifacts import (
        acreate_image_artifact as acreate_image_artifact,
        acreate_link_artifact as acreate_link_artifact,
        acreate_markdown_artifact as acreate_markdown_artifact,
        acreate_progress_artifact as acreate_progress_artifact,
        acreate_table_artifact as acreate_table_artifact,
        aupdate_progress_artifact as aupdate_progress_artifact,
        create_image_artifact as create_image_artifact,
        create_link_artifact as create_link_artifact,
        create_markdown_artifact as create_markdown_artifact,
        create_progress_artifact as create_progress_artifact,
        create_table_artifact as create_table_artifact,
        get_artifact as get_artifact,
        update_progress_artifact as update_progress_artifact,
    )
    from orchestration.sdk.blocks import Block as Block
    from orchestration.sdk.client import get_client as get_client
    from orchestration.sdk.concurrency import concurrency as concurrency, rate_limit as rate_limit
    from orchestration.sdk.context import tags as tags
    from orchestration.sdk.filesystems import LocalFileSystem as LocalFileSystem
    from orchestration.sdk.flows import Flow as Flow, flow as flow
    from orchestration.sdk.futures import (
        TaskFuture as TaskFuture,
        TaskFutureList as TaskFutureList,
        as_completed as as_completed,
        wait as wait,
    )
    from orchestration.sdk.hashing import task_input_hash as task_input_hash
    from orchestration.sdk.locking import (
        FileSystemLockManager as FileSystemLockManager,
        MemoryLockManager as MemoryLockManager,
    )
    from orchestration.sdk.logs import get_logger as get_logger, get_run_logger as get_run_logger
    from orchestration.sdk.pauses import (
        apause_flow_run as apause_flow_run,
        aresume_flow_run as aresume_flow_run,
        asuspend_flow_run as asuspend_flow_run,
        pause_flow_run as pause_flow_run,
        resume_flow_run as resume_flow_run,
        suspend_flow_run as suspend_flow_run,
    )
    from orchestration.sdk.process_runner import ProcessPoolTaskRunner as ProcessPoolTaskRunner
    from orchestration.sdk.runners import ThreadPoolTaskRunner as ThreadPoolTaskRunner
    from orchestration.sdk.secret_block import Secret as Secret
    from orchestration.sdk.serializers import (
        CompressedSerializer as CompressedSerializer,
        JSONSerializer as JSONSerializer,
        PickleSerializer as PickleSerializer,
    )
    from orchestration.sdk.tasks import Task as Task, task as task
    from orchestration.sdk.testing import test_harness as test_harness
    from orchestration.sdk.transactions import (
        CommitMode as CommitMode,
        IsolationLevel as IsolationLevel,
        Transaction as Transaction,
        get_transaction as get_transaction,
        transaction as transaction,
    )
    from orchestration.sdk.variables import Variable as Variable

    cache_policies = caching

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
        "sdk.hashing": "task_input_hash",
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
            "State StateType Pending Running Completed Failed Crashed Cancelled Cancelling Scheduled Paused Suspended "
            "Retrying AwaitingRetry Late Cached RolledBack TimedOut"
        ),
        "domain.retries": "exponential_backoff",
    }.items()
    for name in names.split()
}

_MODULES = {
    "runtime": "orchestration.sdk.runtime",
    "cache_policies": "orchestration.domain.caching",
}

__all__ = sorted([*_MODULE_BY_NAME, *_MODULES])  # noqa: PLE0605


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
