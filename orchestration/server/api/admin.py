"""What a client or a watcher asks of the server itself."""

from __future__ import annotations

from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse

from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.server.answers import Json
from orchestration.server.bodies import StorageDefault
from orchestration.server.routes import BackendOf

PREFECT = "3.8.8"
"""The version whose interface this is; Prefect's client warns where it is newer."""

STORAGE = "default_result_storage"
router = APIRouter(tags=["Admin"])


@router.get("/health", response_model=None)
async def health() -> Json:
    """Whether the server answers."""
    return Json(True)


@router.get("/ready", response_model=None)
def ready(backend: BackendOf) -> Json:
    """Whether the server can use its store."""
    backend.count("variables")
    return Json({"message": "OK"})


@router.get("/version", response_model=None)
async def own_version() -> Json:
    """The version of this package."""
    try:
        return Json(version("orchestration"))
    except PackageNotFoundError:  # run from its folder, without having been installed
        return Json("unknown")


@router.get("/admin/version", response_model=None)
async def interface_version() -> Json:
    """The version of Prefect whose interface this is."""
    return Json(PREFECT)


@router.get("/admin/settings", response_model=None)
async def settings(request: Request) -> Json:
    """Settings of the server, without secrets."""
    found = request.app.state.settings
    shown = {each.name: getattr(found, each.name) for each in fields(found) if each.repr}
    return Json({name: str(value) if isinstance(value, Path) else value for name, value in shown.items()})


@router.get("/csrf-token", response_model=None)
async def csrf_token(client: str = Query()) -> Json:
    """Tokens against forged requests; this server needs none, since it keeps no cookies for its interface."""
    raise UsageError("CSRF protection is disabled.")


@router.get("/admin/storage", response_model=None)
def read_storage(backend: BackendOf) -> Json:
    """The block that results are stored in unless a flow says otherwise."""
    try:
        return _storage(backend.read("settings", name=STORAGE)["value"])
    except ObjectNotFound:
        return _storage(None)


@router.put("/admin/storage", response_model=None)
def set_storage(body: StorageDefault, backend: BackendOf) -> Json:
    """Name the block that results are stored in unless a flow says otherwise."""
    backend.blocks.block_document(body.default_result_storage_block_id)
    chosen = str(body.default_result_storage_block_id)
    backend.create("settings", {"name": STORAGE, "value": chosen}, overwrite=True)
    return _storage(chosen)


@router.delete("/admin/storage", status_code=204, response_model=None)
def clear_storage(backend: BackendOf) -> None:
    """Let results be stored where each flow says."""
    try:
        backend.delete("settings", name=STORAGE)
    except ObjectNotFound:
        return


def _storage(block_id: Any) -> Json:
    return Json({"default_result_storage_block_id": block_id})


metrics = APIRouter(tags=["Admin"])


@metrics.get("/metrics", response_model=None)
def read_metrics(request: Request, backend: BackendOf) -> PlainTextResponse:
    """Figures for Prometheus."""
    state = request.app.state
    path: Path = state.settings.database_path
    size = path.stat().st_size if path.exists() else None
    text = "\n".join([*state.metrics.lines(backend, size), ""])
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")
