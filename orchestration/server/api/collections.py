"""The kinds of workers that there are, and what a work pool of each kind may be told."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from orchestration.domain.errors import ObjectNotFound
from orchestration.server.answers import Json

router = APIRouter(prefix="/collections", tags=["Collections"])


def _property(title: str, kind: str, description: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "description": description, "type": kind, **more}


_TEXTS = {"additionalProperties": {"type": "string"}}
_VARIABLES = {
    "name": _property("Name", "string", "What the process of a run is called."),
    "env": _property("Environment Variables", "object", "Variables of a run's environment.", **_TEXTS),
    "labels": _property("Labels", "object", "Labels of a run's process.", **_TEXTS),
    "command": _property("Command", "string", "What starts a run; left blank, the worker knows."),
    "stream_output": _property(
        "Stream Output", "boolean", "Whether the worker prints what a run prints.", default=True
    ),
    "working_dir": _property("Working Directory", "string", "Where a run starts; else a fresh folder.", format="path"),
}
PROCESS = {
    "type": "process",
    "display_name": "Process",
    "description": "Runs each flow run as a process on the worker's machine.",
    "documentation_url": "",
    "install_command": "",
    "is_beta": False,
    "logo_url": "",
    "default_base_job_configuration": {
        "job_configuration": {name: f"{{{{ {name} }}}}" for name in sorted(_VARIABLES)},
        "variables": {"type": "object", "properties": _VARIABLES},
    },
}
VIEWS = {"aggregate-worker-metadata": {"prefect": {"process": PROCESS}}}


@router.get("/views/{view}", response_model=None)
async def read_view(view: str) -> Json:
    """What is known of the kinds of workers."""
    if view not in VIEWS:
        raise ObjectNotFound(f"There is no view {view!r}; there is {', '.join(VIEWS)}.")
    return Json(VIEWS[view])
