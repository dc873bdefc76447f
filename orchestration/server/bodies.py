"""What requests that create or change runs, artifacts and variables may say."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from orchestration.server.values import Body, Labels, Name, Tags


class FlowCreate(Body):
    """A flow."""

    name: Name
    tags: Tags
    labels: Labels


class FlowUpdate(Body):
    """Changes of a flow."""

    tags: Tags


class VariableCreate(Body):
    """A variable."""

    name: Annotated[str, Field(max_length=255, pattern="^[a-z0-9]+(_[a-z0-9]+)*$")]
    value: Any
    tags: Tags


class VariableUpdate(Body):
    """Changes of a variable."""

    name: Annotated[str, Field(max_length=255, pattern="^[a-z0-9]+(_[a-z0-9]+)*$")] = ""
    value: Any = None
    tags: Tags


class ArtifactUpdate(Body):
    """Changes of an artifact."""

    data: Any = None
    description: str | None = None
    metadata_: dict[str, str] | None = None


class ArtifactCreate(ArtifactUpdate):
    """An artifact."""

    key: str | None = None
    type: str | None = None
    flow_run_id: UUID | None = None
    task_run_id: UUID | None = None
