"""Variables."""

from __future__ import annotations

from fastapi import APIRouter

from orchestration.server import bodies
from orchestration.server.routes import add_create, add_listings, add_one

router = APIRouter(prefix="/variables", tags=["Variables"])
add_create(router, "variables", bodies.VariableCreate)
add_one(router, "variables", "/{id:uuid}", bodies.VariableUpdate)
add_one(router, "variables", "/name/{name}", bodies.VariableUpdate)
add_listings(router, "variables", "variables")
