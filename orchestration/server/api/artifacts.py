"""Artifacts, their versions and the latest of each key."""

from __future__ import annotations

from fastapi import APIRouter

from orchestration.server import bodies
from orchestration.server.routes import add_create, add_listings, add_one

FILTERS = "artifacts flow_runs task_runs flows deployments"

router = APIRouter(prefix="/artifacts", tags=["Artifacts"])
add_create(router, "artifacts", bodies.ArtifactCreate)
add_one(router, "artifacts", "/{id:uuid}", bodies.ArtifactUpdate)
add_one(router, "artifact_collections", "/{key}/latest", remove=False)
add_listings(router, "artifacts", FILTERS)
add_listings(router, "artifact_collections", FILTERS, "/latest")
