"""What requests about blocks, deployments, work pools and concurrency limits may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, create_model, field_validator, model_validator

from orchestration.domain.errors import UsageError
from orchestration.domain.schedules import document_of, schedule_of
from orchestration.domain.schemas.filters import PAGE
from orchestration.server.bodies import Policy, StateCreate
from orchestration.server.values import Body, Count, Lenient, Mapped, Moment, Name, Seconds, Tags

Slug = Annotated[str, Field(pattern="^[a-z0-9-]+$", max_length=1000)]
Positive = Annotated[int, Field(gt=0, le=2**31 - 1)]
Names = Annotated[list[str], Field(min_length=1, max_length=1000)]
LeaseSeconds = Annotated[float, Field(ge=60, le=86400)]
Limit = Annotated[int, Field(ge=0, le=PAGE)]


class Page(Lenient):
    """A part of a listing that has no filters."""

    limit: Limit = PAGE
    offset: Count = 0


# -- blocks ----------------------------------------------------------------------------------------------------------


class BlockTypeUpdate(Body):
    """Changes of a block type."""

    logo_url: str | None = None
    documentation_url: str | None = None
    description: str | None = None
    code_example: str | None = None


class BlockTypeCreate(BlockTypeUpdate):
    """A block type."""

    name: Name
    slug: Slug


class BlockSchemaCreate(Body):
    """The fields of a block type; their checksum is computed here."""

    fields: Mapped
    block_type_id: UUID
    capabilities: Tags
    version: str = "non-versioned"


class BlockDocumentUpdate(Body):
    """Changes of a block."""

    block_schema_id: UUID | None = None
    data: Mapped
    merge_existing_data: bool = True


class BlockDocumentCreate(Body):
    """The values of a block; one without a name is anonymous."""

    name: Slug | None = None
    data: Mapped
    block_schema_id: UUID
    block_type_id: UUID
    is_anonymous: bool = False

    @model_validator(mode="after")
    def _named(self) -> BlockDocumentCreate:
        if not self.name and not self.is_anonymous:
            raise ValueError("A block document needs a name, unless it is anonymous")
        return self


# -- concurrency limits ----------------------------------------------------------------------------------------------


class TagLimitCreate(Body):
    """How many task runs with a tag may run at a time."""

    tag: Annotated[str, Field(min_length=1)]
    concurrency_limit: Count


class TagSlots(Lenient):
    """Slots of the limits of these tags, for a task run."""

    names: Names
    task_run_id: UUID


class LimitUpdate(Body):
    """Changes of a concurrency limit."""

    active: bool | None = None
    name: Name | None = None
    limit: Count | None = None
    active_slots: Count | None = None
    denied_slots: Count | None = None
    slot_decay_per_second: Seconds | None = None


class LimitCreate(LimitUpdate):
    """A concurrency limit."""

    name: Name
    limit: Count
    active: bool = True
    slot_decay_per_second: Seconds = 0.0


class SlotsWanted(Lenient):
    """Slots of all the named limits, or of none."""

    names: Annotated[list[str], Field(max_length=1000)]
    slots: Positive
    mode: Literal["concurrency", "rate_limit"] = "concurrency"


class LeaseWanted(SlotsWanted):
    """Slots that are free again unless the lease is renewed."""

    lease_duration: LeaseSeconds = 300.0
    holder: Any = None
    lease_id: UUID | None = None
    """Beyond Prefect: by it a request that is sent again takes no further slots."""


class LeaseEnd(Lenient):
    """The end of a lease."""

    lease_id: UUID


class LeaseRenewal(Lenient):
    """How long a lease goes on from now."""

    lease_duration: LeaseSeconds = 300.0


# -- deployments -----------------------------------------------------------------------------------------------------


class ScheduleUpdate(Body):
    """Changes of a schedule."""

    active: bool = True
    schedule: dict[str, Any] | None = None
    max_scheduled_runs: Positive | None = None
    parameters: Mapped
    slug: str | None = None
    replaces: str | None = None

    @field_validator("schedule")
    @classmethod
    def _checked(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            return given and document_of(schedule_of(given))
        except (UsageError, ValueError, TypeError, OverflowError) as error:
            raise ValueError(str(error)) from None


class ScheduleCreate(ScheduleUpdate):
    """A schedule."""

    schedule: dict[str, Any]


class DeploymentFields(Body):
    """What a deployment, and a change of one, may have alike."""

    version: str | None = None
    version_info: dict[str, Any] | None = None
    description: str | None = None
    paused: bool = False
    concurrency_limit: Positive | None = None
    concurrency_options: dict[str, Any] | None = None
    global_concurrency_limit_id: UUID | None = None
    parameters: Mapped
    parameter_openapi_schema: dict[str, Any] | None = None
    tags: Tags
    work_queue_name: str | None = None
    work_pool_name: str | None = None
    path: str | None = None
    entrypoint: str | None = None
    job_variables: Mapped
    pull_steps: list[dict[str, Any]] | None = None
    storage_document_id: UUID | None = None
    infrastructure_document_id: UUID | None = None
    enforce_parameter_schema: bool = True


class DeploymentUpdate(DeploymentFields):
    """Changes of a deployment."""

    schedules: list[ScheduleUpdate] = Field(default_factory=list)


class DeploymentCreate(DeploymentFields):
    """A deployment; one of that flow and name that is there takes what is given."""

    name: Name
    flow_id: UUID
    labels: dict[str, Any] | None = None
    schedules: list[ScheduleCreate] = Field(default_factory=list)


class RunOfDeployment(Body):
    """A run of a deployment: what differs from it."""

    state: StateCreate | None = None
    name: str | None = None
    parameters: Mapped
    enforce_parameter_schema: bool | None = None
    context: Mapped
    infrastructure_document_id: UUID | None = None
    empirical_policy: Policy | None = None
    tags: Tags
    idempotency_key: str | None = None
    labels: dict[str, Any] | None = None
    parent_task_run_id: UUID | None = None
    work_queue_name: str | None = None
    job_variables: dict[str, Any] | None = None


class ScheduledRuns(Lenient):
    """Runs of deployments that are due by then."""

    deployment_ids: Annotated[list[UUID], Field(max_length=1000)]
    scheduled_before: Moment | None = None
    limit: Limit = PAGE


class SlotsOfSchedule(Lenient):
    """Which slots of a deployment's schedules become runs now."""

    start_time: Moment | None = None
    end_time: Moment | None = None
    min_time: Seconds | None = None
    min_runs: Annotated[int, Field(ge=0, le=1000)] | None = None
    max_runs: Annotated[int, Field(ge=0, le=1000)] | None = None


# -- work pools ------------------------------------------------------------------------------------------------------


class WorkPoolUpdate(Body):
    """Changes of a work pool."""

    description: str | None = None
    base_job_template: Mapped
    is_paused: bool = False
    concurrency_limit: Count | None = None
    storage_configuration: Mapped


class WorkPoolCreate(WorkPoolUpdate):
    """A work pool."""

    name: Name
    type: str = "process"


class WorkQueueUpdate(Body):
    """Changes of a work queue."""

    name: Name | None = None
    description: str | None = None
    is_paused: bool = False
    concurrency_limit: Count | None = None
    priority: Positive | None = None
    last_polled: Moment | None = None
    filter: dict[str, Any] | None = None


class WorkQueueCreate(WorkQueueUpdate):
    """A work queue."""

    name: Name
    description: str | None = ""


class Heartbeat(Lenient):
    """A worker's sign of life."""

    name: Name
    heartbeat_interval_seconds: Positive | None = None


class WorkWanted(Lenient):
    """Runs that a worker asks for."""

    work_queue_names: list[str] = Field(default_factory=list)
    scheduled_before: Moment | None = None
    scheduled_after: Moment | None = None
    limit: Limit = PAGE


def paged(name: str, **more: Any) -> Any:
    """The model of a request for a page by its number."""
    page: Any = (int, Field(1, ge=1, le=2**31))
    return create_model(name, __base__=Lenient, page=page, limit=(Limit, PAGE), **more)
