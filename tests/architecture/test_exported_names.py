"""The public names: adding one is a decision, losing one breaks somebody's flow."""

import subprocess
import sys

import orchestration
from tests.architecture.source import ROOT

EXPORTED = """
flow Flow task Task unmapped allow_failure exponential_backoff

State StateType Pending Running Completed Failed Crashed Cancelled Cancelling Scheduled Paused Suspended Retrying
AwaitingRetry Late Cached RolledBack TimedOut

get_run_logger get_logger runtime tags get_client test_harness
pause_flow_run suspend_flow_run resume_flow_run apause_flow_run asuspend_flow_run aresume_flow_run

ThreadPoolTaskRunner ProcessPoolTaskRunner TaskFuture TaskFutureList wait as_completed

cache_policies CachePolicy CacheKeyFnPolicy INPUTS TASK_SOURCE RUN_ID FLOW_PARAMETERS NO_CACHE NONE DEFAULT
task_input_hash PickleSerializer JSONSerializer CompressedSerializer MemoryLockManager FileSystemLockManager

create_markdown_artifact create_table_artifact create_link_artifact create_image_artifact
create_progress_artifact update_progress_artifact
acreate_markdown_artifact acreate_table_artifact acreate_link_artifact acreate_image_artifact
acreate_progress_artifact aupdate_progress_artifact

run_deployment arun_deployment serve Cron Interval RRule GitRepository
Variable concurrency rate_limit transaction get_transaction Transaction CommitMode IsolationLevel

Block Secret LocalFileSystem
"""


def test_the_public_names_are_the_promised_ones() -> None:
    assert set(orchestration.__all__) == set(EXPORTED.split())


def test_every_public_name_is_there() -> None:
    assert [name for name in orchestration.__all__ if not hasattr(orchestration, name)] == []


def test_a_name_that_is_not_public_is_refused() -> None:
    program = "from orchestration import nonsense"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "ImportError" in done.stderr
    assert "nonsense" in done.stderr
