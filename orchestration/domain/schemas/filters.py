"""What a listing may be narrowed to; a field left empty does not narrow."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from orchestration.domain.states import StateType


@dataclass(frozen=True, slots=True)
class FlowRunFilter:
    """Which flow runs to list."""

    ids: tuple[UUID, ...] = ()
    names: tuple[str, ...] = ()
    flow_names: tuple[str, ...] = ()
    state_types: tuple[StateType, ...] = ()
    state_names: tuple[str, ...] = ()
    parent_task_run_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskRunFilter:
    """Which task runs to list."""

    ids: tuple[UUID, ...] = ()
    names: tuple[str, ...] = ()
    flow_run_ids: tuple[UUID, ...] = ()
    state_types: tuple[StateType, ...] = ()
    state_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which log lines to list; ``after`` is a sequence number, for following a log."""

    flow_run_ids: tuple[UUID, ...] = ()
    task_run_ids: tuple[UUID, ...] = ()
    level_at_least: int = 0
    text: str | None = None
    after: int = 0


@dataclass(frozen=True, slots=True)
class ArtifactFilter:
    """Which artifacts to list; ``latest_only`` leaves out superseded versions of a key."""

    ids: tuple[UUID, ...] = ()
    keys: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    flow_run_ids: tuple[UUID, ...] = ()
    latest_only: bool = False


ALL_FLOW_RUNS = FlowRunFilter()
ALL_TASK_RUNS = TaskRunFilter()
ALL_LOGS = LogFilter()
ALL_ARTIFACTS = ArtifactFilter()
