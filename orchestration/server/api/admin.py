"""What a client or a watcher asks of the server itself."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.backend.processes import this_process
from orchestration.domain.errors import ObjectNotFound, UsageError
from orchestration.domain.schemas.wire import Document
from orchestration.server.api.documents import Keys

STORAGE = "default_result_storage"
# By package and kind: what a kind of worker is, and what a work pool of it may be told.
WORKERS: Document = json.loads(Path(__file__).with_name("workers.json").read_text(encoding="utf-8"))


def ready(backend: Backend, _keys: Keys, _body: None) -> Document:
    """Whether the server can use its store."""
    backend.count("variables")
    return {"message": "OK"}


def own_version(_backend: Backend, _keys: Keys, _body: None) -> str:
    """The version of this package."""
    try:
        return version("orchestration")
    except PackageNotFoundError:  # run from its folder, without having been installed
        return "unknown"


def offers(_backend: Backend, _keys: Keys, _body: None) -> Document:
    """Who serves, and on what host: a client on the same one can leave it to the server to look after its runs.

    A client asks once, and a Prefect server does not know. Requests that create something may choose its ``id``, and
    states ``id`` and ``timestamp``, so that one which is sent again is recognised; a header ``Idempotency-Key`` does
    that for events and log lines.
    """
    return {"server": "orchestration", "host": this_process().host}


def kinds_of_workers(_backend: Backend, _keys: Keys, _body: None) -> Document:
    """The kinds of workers that there are."""
    return WORKERS


def csrf_token(_backend: Backend, keys: Keys, _body: None) -> Document:
    """A token against forged requests, where the server asks for one."""
    if keys["tokens"] is None:
        raise UsageError("CSRF protection is disabled.")
    token: Document = keys["tokens"].token(keys["client"], utc_now())
    return token


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
    backend.blocks.block_document(chosen)
    backend.create("settings", {"name": STORAGE, "value": str(chosen)}, overwrite=True)
    return read_storage(backend, keys, None)


def clear_storage(backend: Backend, keys: Keys, _body: None) -> None:
    """Let results be stored where each flow says."""
    if read_storage(backend, keys, None)["default_result_storage_block_id"] is not None:
        backend.delete("settings", name=STORAGE)
