"""What a client or a watcher asks of the server itself: whether it lives, its figures, and what it offers."""

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.backend.surroundings import this_process
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schemas.filters import among
from orchestration.domain.schemas.wire import Document
from orchestration.domain.states import StateType
from orchestration.server.api.documents import Keys
from orchestration.server.models import Json

STORAGE = "default_result_storage"


def ready(backend: Backend, _keys: Keys, _body: None) -> Document:
    """Whether the server can use its store."""
    backend.count("variables")
    return {"message": "OK"}


def own_version(*_asked: Any) -> str:
    """The version of this package."""
    return next((each.version for each in distributions(name="orchestration")), "unknown")  # run from its folder


def offers(_backend: Backend, _keys: Keys, _body: None) -> Document:
    """Who serves, and on what host: a client on the same one can leave it to the server to look after its runs.

    A client asks once, and a Prefect server does not know. Requests that create something may choose its ``id``, and
    states ``id`` and ``timestamp``, so that one which is sent again is recognised; a header ``Idempotency-Key`` does
    that for events and log lines.
    """
    return {"server": "orchestration", "host": this_process().host}


def csrf_token(_backend: Backend, keys: Keys, _body: None) -> Document:
    """A token against forged requests, where the server asks for one."""
    access = keys["request"].app.state.access
    if not access.wants_tokens:
        raise UsageError("CSRF protection is disabled.")
    return dict(access.tokens.token(keys["client"], utc_now()))


# -- where results are stored ------------------------------------------------------------------------------------------


def read_storage(backend: Backend, _keys: Keys, _body: None) -> Document:
    """The block that results are stored in unless a flow says otherwise."""
    try:
        chosen = backend.read("settings", name=STORAGE)["value"]
    except ObjectNotFound:
        chosen = None
    return {"default_result_storage_block_id": chosen}


def set_storage(backend: Backend, keys: Keys, body: Any) -> Document:
    """Name the block that results are stored in unless a flow says otherwise."""
    chosen = body.default_result_storage_block_id
    backend.block_document(id=chosen)
    backend.create("settings", {"name": STORAGE, "value": str(chosen)}, overwrite=True)
    return read_storage(backend, keys, None)


def clear_storage(backend: Backend, keys: Keys, _body: None) -> None:
    """Let results be stored where each flow says."""
    if read_storage(backend, keys, None)["default_result_storage_block_id"] is not None:
        backend.delete("settings", name=STORAGE)


DOCS = Path(__file__).parents[1].joinpath("docs.html").read_text(encoding="utf-8")

router = APIRouter(tags=["Admin"])


@router.get("/api/health", response_model=None)
async def health() -> Json:
    """Whether the server answers."""
    return Json(True)


@router.get("/metrics", response_model=None)
def read_metrics(request: Request) -> PlainTextResponse:
    """Figures for Prometheus."""
    state = request.app.state
    text = "\n".join([*state.metrics.lines(state.backend, state.settings.database_path), ""])
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


@router.get("/docs", response_model=None, include_in_schema=False)
async def read_docs() -> HTMLResponse:
    """The interface for people."""
    return HTMLResponse(DOCS)


class Metrics:
    """Counts requests, and how long they took."""

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()
        self._seconds = 0.0

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Take note of a request."""
        self._requests[f'method="{method}",route="{route}",status="{status}"'] += 1
        self._seconds += seconds

    def lines(self, backend: Backend, database: Path) -> Iterator[str]:
        """All figures, those of the store among them, and of its file where there is one."""
        yield from _figures("orchestration_requests_total", "counter", self._requests)
        yield "# TYPE orchestration_request_seconds summary"
        yield f"orchestration_request_seconds_sum {self._seconds:.6f}"
        yield f"orchestration_request_seconds_count {self._requests.total()}"
        states = {kind.value: among("flow_runs", state_type=[kind.value]) for kind in StateType}
        runs = {f'state="{kind}"': backend.count("flow_runs", where) for kind, where in states.items()}
        yield from _figures("orchestration_flow_runs", "gauge", runs)
        if database.exists():
            yield from _figures("orchestration_database_bytes", "gauge", {"": database.stat().st_size})


def _figures(name: str, kind: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    for labels, value in sorted(values.items()):
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"
