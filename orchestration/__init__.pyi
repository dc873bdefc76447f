"""The public names, and the module of each: read by type checkers, and by ``__getattr__`` of the package."""

__all__: list[str]

from orchestration.domain import caching as cache_policies  # noqa: F401
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
from orchestration.domain.rules import exponential_backoff as exponential_backoff
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
from orchestration.sdk import context as runtime  # noqa: F401
from orchestration.sdk.artifacts import (
    Variable as Variable,
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
    update_progress_artifact as update_progress_artifact,
)
from orchestration.sdk.blocks import Block as Block, LocalFileSystem as LocalFileSystem, Secret as Secret
from orchestration.sdk.client import get_client as get_client
from orchestration.sdk.concurrency import concurrency as concurrency, rate_limit as rate_limit
from orchestration.sdk.context import tags as tags, test_harness as test_harness
from orchestration.sdk.flows import Flow as Flow, flow as flow
from orchestration.sdk.futures import (
    TaskFuture as TaskFuture,
    TaskFutureList as TaskFutureList,
    allow_failure as allow_failure,
    as_completed as as_completed,
    unmapped as unmapped,
    wait as wait,
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
from orchestration.sdk.projects.deploying import (
    Cron as Cron,
    Interval as Interval,
    RRule as RRule,
    arun_deployment as arun_deployment,
    run_deployment as run_deployment,
    serve as serve,
)
from orchestration.sdk.projects.git import GitRepository as GitRepository
from orchestration.sdk.results import (
    CompressedSerializer as CompressedSerializer,
    JSONSerializer as JSONSerializer,
    PickleSerializer as PickleSerializer,
)
from orchestration.sdk.runners import ThreadPoolTaskRunner as ThreadPoolTaskRunner
from orchestration.sdk.task_results import task_input_hash as task_input_hash
from orchestration.sdk.tasks import Task as Task, task as task
from orchestration.sdk.transactions import (
    CommitMode as CommitMode,
    FileSystemLockManager as FileSystemLockManager,
    IsolationLevel as IsolationLevel,
    MemoryLockManager as MemoryLockManager,
    Transaction as Transaction,
    get_transaction as get_transaction,
    transaction as transaction,
)
