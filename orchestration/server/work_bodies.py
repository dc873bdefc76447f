"""What requests about blocks, deployments, work pools and concurrency limits may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, RootModel, conlist, create_model

from orchestration.domain.errors import UsageError
from orchestration.domain.schedules import document_of, schedule_of
from orchestration.domain.schemas.filters import PAGE
from orchestration.domain.schemas.wire import Document
from orchestration.server.bodies import Policy, StateCreate
from orchestration.server.models import Positive, model
from orchestration.server.values import Count, Lenient, Name, Seconds

TAG = "tag:"
"""How the name of a tag's limit begins, as in Prefect's client."""
Slug = Annotated[str, Field(pattern="^[a-z0-9-]+$", max_length=1000)]
Names = Annotated[list[str], Field(max_length=1000)]
TagNames = Annotated[Names, AfterValidator(lambda tags: [TAG + tag for tag in tags])]
Limit = Annotated[int, Field(ge=0, le=PAGE)]
LeaseSeconds = Annotated[float, Field(ge=60, le=86400)]


def _times(given: Document) -> Document:
    try:
        return document_of(schedule_of(given))
    except (UsageError, ValueError, TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None


Times = Annotated[dict[str, Any], AfterValidator(_times)]
"""What a schedule can be made of."""

Limited = model("Limited", Lenient, {"limit": (Limit, PAGE)})
"""The first part of a listing."""
Page = model("Page", Limited, {"offset": (Count, 0)})
"""A part of a listing that has no filters."""

# -- blocks ----------------------------------------------------------------------------------------------------------

BlockTypeUpdate = model("BlockTypeUpdate", text="logo_url documentation_url description code_example")
BlockTypeCreate = model("BlockTypeCreate", BlockTypeUpdate, {"name": Name, "slug": Slug})
_SCHEMA = {"block_type_id": UUID, "version": (str, "non-versioned")}
BlockSchemaCreate = model("BlockSchemaCreate", own=_SCHEMA, mapped="fields", tags="capabilities")
"""The fields of a block type; their checksum is computed here."""
BlockDocumentUpdate = model("BlockDocumentUpdate", id="block_schema_id", mapped="data", on="merge_existing_data")
_BLOCK = {"name": (Slug | None, None), "block_schema_id": UUID, "block_type_id": UUID}
BlockDocumentCreate = model("BlockDocumentCreate", own=_BLOCK, mapped="data", off="is_anonymous")
"""The values of a block; one without a name is anonymous."""

# -- concurrency limits ----------------------------------------------------------------------------------------------

TagLimitCreate = model("TagLimitCreate", own={"tag": Annotated[str, Field(min_length=1)], "concurrency_limit": Count})
"""How many task runs with a tag may run at a time."""
_DECAY = {"name": (Name | None, None), "slot_decay_per_second": (Seconds | None, None)}
LimitUpdate = model("LimitUpdate", own=_DECAY, switch="active", count="limit active_slots denied_slots")
_LIMIT = {"name": Name, "limit": Count, "slot_decay_per_second": (Seconds, 0.0)}
LimitCreate = model("LimitCreate", LimitUpdate, _LIMIT, on="active")
_MODE = (Literal["concurrency", "rate_limit"], "concurrency")
SlotsWanted = model("SlotsWanted", Lenient, {"names": Names, "slots": Positive, "mode": _MODE})
"""Slots of all the named limits, or of none."""
TagSlots = model("TagSlots", SlotsWanted, {"names": TagNames, "slots": (Literal[1], 1), "task_run_id": UUID})
"""A slot of the limit of each tag, for a task run."""
LeaseRenewal = model("LeaseRenewal", Lenient, {"lease_duration": (LeaseSeconds, 300.0)})
"""How long a lease goes on from now."""
LeaseWanted = model("LeaseWanted", SlotsWanted, {"lease_duration": (LeaseSeconds, 300.0)}, id="lease_id")
"""Slots until the lease ends; ``lease_id`` is not Prefect's: by it a re-sent request takes no further slots."""
LeaseEnd = model("LeaseEnd", Lenient, {"lease_id": UUID})

# -- deployments -----------------------------------------------------------------------------------------------------

ScheduleUpdate = model(
    "ScheduleUpdate", Lenient, {"schedule": (Times | None, None), "max_lateness": (Seconds | None, None)},
    text="slug replaces catchup overlap", on="active", positive="max_scheduled_runs", mapped="parameters",
)
ScheduleCreate = model("ScheduleCreate", ScheduleUpdate, {"schedule": Times})
SchedulesCreate = create_model("SchedulesCreate", __base__=RootModel[Any], root=(conlist(ScheduleCreate), ...))
DeploymentUpdate = model(
    "DeploymentUpdate", own={"schedules": (conlist(ScheduleUpdate), [])}, tags="tags", positive="concurrency_limit",
    text="version description work_queue_name work_pool_name path entrypoint", off="paused",
    id="global_concurrency_limit_id storage_document_id infrastructure_document_id", on="enforce_parameter_schema",
    document="version_info concurrency_options parameter_openapi_schema", documents="pull_steps",
    mapped="parameters job_variables",
)
_DEPLOYMENT = {"name": Name, "flow_id": UUID, "schedules": (conlist(ScheduleCreate), [])}
DeploymentCreate = model("DeploymentCreate", DeploymentUpdate, _DEPLOYMENT, document="labels")
"""A deployment; one of that flow and name that is there takes what is given."""
RunOfDeployment = model(
    "RunOfDeployment", own={"state": (StateCreate | None, None), "empirical_policy": (Policy | None, None)},
    text="name idempotency_key work_queue_name", id="infrastructure_document_id parent_task_run_id", tags="tags",
    mapped="parameters context", document="labels job_variables", switch="enforce_parameter_schema",
)
"""A run of a deployment: what differs from it."""
_DEPLOYMENTS = {"deployment_ids": Annotated[list[UUID], Field(max_length=1000)]}
ScheduledRuns = model("ScheduledRuns", Limited, _DEPLOYMENTS, moment="scheduled_before")
"""Runs of deployments that are due by then."""

# -- work pools ------------------------------------------------------------------------------------------------------

WorkPoolUpdate = model(
    "WorkPoolUpdate", text="description", off="is_paused", count="concurrency_limit",
    mapped="base_job_template storage_configuration",
)
WorkPoolCreate = model("WorkPoolCreate", WorkPoolUpdate, {"name": Name, "type": (str, "process")})
WorkQueueUpdate = model(
    "WorkQueueUpdate", own={"name": (Name | None, None)}, text="description", off="is_paused", document="filter",
    count="concurrency_limit", positive="priority", moment="last_polled",
)
WorkQueueCreate = model("WorkQueueCreate", WorkQueueUpdate, {"name": Name})
Heartbeat = model("Heartbeat", Lenient, {"name": Name}, positive="heartbeat_interval_seconds")
"""A worker's sign of life."""
WorkWanted = model("WorkWanted", Limited, {"work_queue_names": (Names, [])}, moment="scheduled_before scheduled_after")
"""Runs that a worker asks for."""
