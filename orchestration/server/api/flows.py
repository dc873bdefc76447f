"""Flows."""

from __future__ import annotations

from fastapi import APIRouter

from orchestration.server import bodies
from orchestration.server.routes import RUN_FILTERS, add_create, add_listings, add_one

router = APIRouter(prefix="/flows", tags=["Flows"])
add_create(router, "flows", bodies.FlowCreate, if_known="keep")
add_one(router, "flows", "/{id:uuid}", bodies.FlowUpdate)
add_one(router, "flows", "/name/{name}", remove=False)
add_listings(router, "flows", RUN_FILTERS, pages=True, sort="NAME_ASC")
