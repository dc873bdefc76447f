"""What requests that create or change flows, runs, logs, artifacts and variables may say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, get_type_hints
from uuid import UUID

from pydantic import AfterValidator, Field, create_model

from orchestration.domain.schemas.events import ID
from orchestration.domain.schemas.wire import Document, moment_text
from orchestration.domain.states import StateDetails, StateType
from orchestration.server.values import Body, Count, Labels, Lenient, Mapped, Moment, Name, Seconds, Tags

MOST_AT_ONCE = 50
"""Runs that one request may change or remove by a filter."""

LAST = datetime(9000, 1, 1, tzinfo=UTC)
"""Dates beyond have no span after them."""
Limited = Annotated[int, Field(ge=1, le=MOST_AT_ONCE)]
VariableName = Annotated[str, Field(max_length=255, pattern="^[a-z0-9]+(_[a-z0-9]+)*$")]


def _optional(hint: Any) -> Any:
    return (Moment | None if "datetime" in str(hint) else hint | None, None)


_DETAILS: dict[str, Any] = {name: _optional(hint) for name, hint in get_type_hints(StateDetails).items()}
Details: Any = create_model("StateDetails", __base__=Lenient, **_DETAILS)


class StateCreate(Body):
    """A state that is proposed. ``id`` and ``timestamp`` are not Prefect's: by them a re-sent one is recognised."""

    type: StateType
    name: str | None = None
    message: str | None = None
    data: Any = None
    state_details: Annotated[Details, Field(default_factory=Details)]
    id: UUID | None = None
    timestamp: Moment | None = None


class SetState(Lenient):
    """A state for a run; ``force`` passes over the rules."""

    state: StateCreate
    force: bool = False


class Policy(Lenient):
    """How often a run starts again."""

    retries: Count | None = None
    retry_delay: Seconds | Annotated[list[Seconds], Field(max_length=50)] | None = None
    retry_jitter_factor: Seconds | None = None


class FlowCreate(Body):
    """A flow."""

    name: Name
    tags: Tags
    labels: Labels


class FlowUpdate(Body):
    """Changes of a flow."""

    tags: Tags


class FlowRunUpdate(Body):
    """Changes of a flow run."""

    name: str | None = None
    flow_version: str | None = None
    parameters: Mapped
    empirical_policy: Policy | None = None
    tags: Tags
    infrastructure_pid: str | None = None
    job_variables: dict[str, Any] | None = None


class FlowRunCreate(FlowRunUpdate):
    """A flow run; Pending unless a state is given."""

    flow_id: UUID
    state: StateCreate | None = None
    context: Mapped
    parent_task_run_id: UUID | None = None
    infrastructure_document_id: UUID | None = None
    labels: Labels
    idempotency_key: str | None = None
    work_pool_name: str | None = None
    work_queue_name: str | None = None
    deployment_id: UUID | None = None
    deployment_version: str | None = None
    id: UUID | None = None
    created: Moment | None = None
    expected_start_time: Moment | None = None


class TaskRunUpdate(Body):
    """Changes of a task run."""

    name: str = ""


class TaskRunCreate(TaskRunUpdate):
    """A task run; Pending unless a state is given."""

    task_key: str
    dynamic_key: str
    id: UUID | None = None
    state: StateCreate | None = None
    flow_run_id: UUID | None = None
    cache_key: str | None = None
    cache_expiration: Moment | None = None
    task_version: str | None = None
    empirical_policy: Policy | None = None
    tags: Tags
    labels: Labels
    task_inputs: dict[str, list[Any]] = Field(default_factory=dict)


class Resume(Lenient):
    """The resume of a paused flow run, with what it waits for."""

    run_input: dict[str, Any] | None = None


class InputCreate(Lenient):
    """A value for a flow run."""

    key: str
    value: str
    sender: str | None = None


class InputFilter(Lenient):
    """Which values of a flow run are wanted."""

    prefix: str
    limit: Annotated[int, Field(ge=0, le=200)] = 1
    exclude_keys: Tags


class LogCreate(Body):
    """A log line."""

    name: str
    level: Annotated[int, Field(ge=-(2**31), lt=2**31)]
    message: str
    timestamp: Moment
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None


class History(Lenient):
    """Spans of time; at most 500 of them are told of."""

    history_start: Annotated[Moment, Field(lt=LAST)]
    history_end: Annotated[Moment, Field(lt=LAST)]
    history_interval_seconds: Annotated[float, Field(ge=1, le=1e10, allow_inf_nan=False)]


class VariableUpdate(Body):
    """Changes of a variable."""

    name: VariableName = ""
    value: Any = None
    tags: Tags


class VariableCreate(VariableUpdate):
    """A variable."""

    name: VariableName
    value: Any


class ArtifactUpdate(Body):
    """Changes of an artifact."""

    data: Any = None
    description: str | None = None
    metadata_: dict[str, str] | None = Field(None, serialization_alias="metadata")


class ArtifactCreate(ArtifactUpdate):
    """An artifact."""

    key: str | None = None
    type: str | None = None
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None
    id: UUID | None = None


class StorageDefault(Lenient):
    """The block that results are stored in unless a flow says otherwise."""

    default_result_storage_block_id: UUID


def _has_id(resource: dict[str, str | None]) -> dict[str, str | None]:
    if not resource.get(ID):
        raise ValueError(f"needs the label {ID}")
    return resource


Resource = Annotated[dict[str, str | None], AfterValidator(_has_id)]
"""Labels of a resource, its id among them."""


class Event(Lenient):
    """Something that happened to a resource."""

    id: UUID
    occurred: Moment
    event: Annotated[str, Field(min_length=1)]
    resource: Resource
    related: Annotated[list[Resource], Field(default_factory=list, max_length=500)]
    payload: Mapped
    follows: UUID | None = None

    def whole(self) -> Document:
        """As JSON; what came as JSON and is not looked into, which is most of it, is not copied."""
        own = {
            "id": str(self.id),
            "occurred": moment_text(self.occurred),
            "follows": self.follows and str(self.follows),
        }
        return {**vars(self), **own}
