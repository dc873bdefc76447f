"""Documents of a server: the part of ``HttpBackend`` that knows no runs in the making."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from orchestration.backend.clock import new_id
from orchestration.backend.http_client import httpx
from orchestration.backend.http_transport import REACH_SECONDS, Transport, encoded
from orchestration.domain.errors import ConfigurationError, ObjectAlreadyExists, ObjectNotFound, UsageError
from orchestration.domain.schemas.filters import EVERYTHING, PAGE, Query, among
from orchestration.domain.schemas.wire import Document, plain

_QUEUES, _POOLS = "/work_pools/{work_pool_name}/queues", "/work_pools/{name}"
COLLECTIONS: Mapping[str, tuple[str, ...]] = {
    "flows": ("/flows/",),
    "flow_runs": ("/flow_runs/",),
    "task_runs": ("/task_runs/",),
    "logs": ("/logs/",),
    "artifacts": ("/artifacts/",),
    "artifact_collections": ("/artifacts/latest/",),
    "variables": ("/variables/",),
    "inputs": ("/flow_runs/{flow_run_id}/input",),
    "deployments": ("/deployments/",),
    "schedules": ("/deployments/{deployment_id}/schedules",),
    "work_pools": ("/work_pools/",),
    "work_queues": (_QUEUES, "/work_queues/"),
    "workers": ("/work_pools/{work_pool_name}/workers",),
}
"""Where a resource is listed and made: the first whose names are known."""
ONE: Mapping[str, tuple[str, ...]] = {
    "flows": ("/flows/{id}", "/flows/name/{name}"),
    "artifacts": ("/artifacts/{id}",),
    "variables": ("/variables/name/{name}", "/variables/{id}"),
    "inputs": ("/flow_runs/{flow_run_id}/input/{key}",),
    "deployments": ("/deployments/{id}", "/deployments/name/{flow_name}/{name}"),
    "schedules": ("/deployments/{deployment_id}/schedules/{id}",),
    "work_pools": (_POOLS,),
    "work_queues": ("/work_queues/{id}", _QUEUES + "/{name}"),
    "workers": ("/work_pools/{work_pool_name}/workers/{name}",),
    **{runs: (f"/{runs}/{{id}}",) for runs in ("flow_runs", "task_runs")},
}
"""Where one of them is, by what it is known by."""
_MADE_AT = {"workers": ("/work_pools/{work_pool_name}/workers/heartbeat",)}
"""Where one is made that is not made where it is listed."""
_log = logging.getLogger("orchestration")
_PARENTS = ("work_pool_id", "work_pool_name", "flow_run_id", "deployment_id")
KEYS: Mapping[str, tuple[str, ...]] = {
    "variables": ("name",),
    "work_pools": ("name", "type"),
    "work_queues": ("work_pool_id", "work_pool_name", "name"),
    "inputs": ("flow_run_id", "key"),
}
"""What an overwritten document keeps: the fields that make it the one it is."""
_UNCOUNTED = ("logs", "inputs", "schedules", "work_queues", "workers")
_SENT_AS = {"work_queues": "work_pool_queues", "artifact_collections": "artifacts"}
_OURS_ALONE = ("id", "created", "updated")
"""Fields that only our server lets a client choose."""


class HttpCatalog:
    """Each method is one request, or as many as it takes where Prefect's interface has no single one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._greeting: Mapping[str, Any] | None = None
        self._greeting_lock = threading.Lock()
        self._patience = REACH_SECONDS

    # -- asking ------------------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, document: Any = None, patience: float | None = None, **how: Any) -> Any:
        """The JSON that the server answers; ``None`` when it says nothing."""
        response = self.answer(method, path, document, patience, **how)
        return response.json() if response.content else None

    def answer(
        self, method: str, path: str, document: Any = None, patience: float | None = None, **how: Any
    ) -> httpx.Response:
        """What the server answers, once it is known to be one."""
        patience = self._patience if patience is None else patience
        self.offers(patience)
        content = None if document is None else encoded(plain(document))
        return self._transport.send(method, path, content, patience, **how)

    def offers(self, patience: float) -> Mapping[str, Any]:
        """What the server has beyond Prefect's interface; asked once. A Prefect server has nothing.

        Raises:
            StoreError: it cannot be reached.
            ConfigurationError: it is no API, or does not accept the credentials.
        """
        with self._greeting_lock:
            if self._greeting is None:
                self._greeting = self._greeted(patience)
            return self._greeting

    def _greeted(self, patience: float) -> Mapping[str, Any]:
        said = _json(self._transport, "/x/", patience)
        if isinstance(said, Mapping) and said:
            return said
        if isinstance(_json(self._transport, "/admin/version", patience), str):
            _log.debug("%s is a Prefect server: what is sent twice may be there twice.", self._transport.url)
            return {}
        raise ConfigurationError(
            f"At {self._transport.url} there is no API of an orchestration server; "
            "ORCHESTRATION_API_URL usually ends in /api."
        )

    # -- documents ---------------------------------------------------------------------------------------------------

    def find(self, resource: str, query: Query = EVERYTHING) -> list[Document]:
        """A page of any resource's listing."""
        return list(self._listed(resource, query))

    def count(self, resource: str, where: Mapping[str, Any] = EVERYTHING.where) -> int:
        """How many there are that the filters let through."""
        if resource in _UNCOUNTED:
            return sum(1 for _ in self._listed(resource, Query(where, limit=2**31)))
        path, body = self._asked(resource, where)
        return int(self.ask("POST", f"{path}/count", body))

    def history(
        self, resource: str, where: Mapping[str, Any], start: datetime, seconds: float, number: int
    ) -> list[Document]:
        """By span of time, the runs that were expected then, by state."""
        path, body = self._asked(resource, where)
        spans = {"history_end": start + timedelta(seconds=seconds * number), "history_interval_seconds": seconds}
        return list(self.ask("POST", f"{path}/history", {**body, "history_start": start, **spans}))

    def read(self, resource: str, **keys: Any) -> Document:
        """The one whose fields have these values."""
        path = self._path(ONE.get(resource, ()), keys)
        if path is None:
            newest = "CREATED_DESC" if resource == "artifacts" else None
            found = self.find(resource, Query(among(resource, **{name: [keys[name]] for name in keys}), newest, 1))
            if not found:
                raise ObjectNotFound(f"The server has nothing of this kind among its {resource}: {keys}.")
            return found[0]
        if resource == "inputs":  # the value is the whole answer
            return {**keys, "value": self.answer("GET", path).text}
        return dict(self.ask("GET", path))

    def create(self, resource: str, document: Mapping[str, Any], overwrite: bool = False) -> Document:
        """Store one; with ``overwrite``, in place of what has its key."""
        is_ours = bool(self.offers(self._patience))
        path, part_of = self._collection(resource, document, _MADE_AT)
        own = dict(document) if is_ours else {k: v for k, v in document.items() if k not in _OURS_ALONE}
        if resource == "artifacts":
            own["metadata_"] = own.pop("metadata", None) or own.get("metadata_")
            own |= {"id": own.get("id") or str(new_id())} if is_ours else {}  # by which a re-sent one is recognised
        sent = {name: value for name, value in own.items() if name not in part_of}
        try:
            made = self.ask("POST", path, [sent] if resource == "schedules" else sent)
        except ObjectAlreadyExists:
            if is_ours and resource == "artifacts":
                return self.read(resource, id=own["id"])
            if not overwrite:
                raise
            return self._overwritten(resource, document, sent)
        return dict(made[0] if resource == "schedules" else made or document)

    def change(self, resource: str, changes: Mapping[str, Any], **keys: Any) -> None:
        """Give the one with these keys other values in the fields that are named."""
        self._do("PATCH", resource, keys, dict(changes))

    def delete(self, resource: str, **keys: Any) -> None:
        """Remove the one with these keys."""
        self._do("DELETE", resource, keys)

    def _do(self, method: str, resource: str, keys: Mapping[str, Any], changes: Document | None = None) -> None:
        templates = ONE.get(resource, ())
        path = self._path(templates, keys) or self._path(templates, self.read(resource, **keys))
        self.ask(method, path or "", changes)

    def _overwritten(self, resource: str, document: Mapping[str, Any], sent: Document) -> Document:
        keys = {name: document[name] for name in KEYS.get(resource, ()) if name in document}
        if resource == "inputs":  # they cannot be changed
            self.delete(resource, **keys)
            return self.create(resource, document)
        changes = {name: value for name, value in sent.items() if name not in (*keys, *_OURS_ALONE)}
        self.change(resource, changes, **keys)
        return self.read(resource, **keys)

    # -- paths -------------------------------------------------------------------------------------------------------

    def _listed(self, resource: str, query: Query) -> Iterator[Document]:
        path, body = self._asked(resource, query.where)
        if resource == "schedules":
            yield from self.ask("GET", path)
            return
        body |= {"sort": query.sort} if query.sort else {}
        left, offset = query.limit, query.offset
        while left > 0:
            page = self.ask("POST", f"{path}/filter", {**body, "limit": min(left, PAGE), "offset": offset})
            yield from page
            if len(page) < PAGE:
                return
            left, offset = left - len(page), offset + len(page)

    def _asked(self, resource: str, where: Mapping[str, Any]) -> tuple[str, Document]:
        """Where a listing is, and the filters as it takes them."""
        own = where.get(resource) or {}
        known = {name: field["any_"][0] for name, field in own.items() if len(field.get("any_") or ()) == 1}
        path, used = self._collection(resource, known)
        sent = {_SENT_AS.get(name, name): filters for name, filters in where.items() if name != resource}
        name = _SENT_AS.get(resource, resource) if resource != "work_queues" else resource
        return path.rstrip("/"), {**sent, name: {field: own[field] for field in own if field not in used}}

    def _collection(
        self, resource: str, known: Mapping[str, Any], instead: Mapping[str, tuple[str, ...]] = EVERYTHING.where
    ) -> tuple[str, tuple[str, ...]]:
        """The path of a listing, and the fields that it stands for."""
        templates = COLLECTIONS.get(resource, ())
        path = self._path(instead.get(resource, templates), known)
        if path is None:
            raise UsageError(f"A server cannot be asked for {resource} in general; say of what they are part.")
        return path, _PARENTS if "{" in templates[0] and path != templates[-1] else ()

    def _path(self, templates: Sequence[str], keys: Mapping[str, Any]) -> str | None:
        """The first path all whose names are known; pools and flows may be known by their ids."""
        for template in templates:
            names = dict.fromkeys(re.findall(r"{(\w+)}", template))
            found = {name: keys.get(name) or self._name_of(name, keys) for name in names}
            if all(found.values()):
                return template.format(**{name: quote(str(value), safe="") for name, value in found.items()})
        return None

    def _name_of(self, field: str, keys: Mapping[str, Any]) -> str | None:
        parent = {"work_pool_name": "work_pool", "flow_name": "flow"}.get(field)
        known = keys.get(f"{parent}_id")
        return str(self.read(f"{parent}s", id=known)["name"]) if known else None


def _json(transport: Transport, path: str, patience: float) -> Any:
    """The JSON at a path; ``None`` when there is none."""
    try:
        return transport.send("GET", path, None, patience).json()
    except (ObjectNotFound, ValueError):
        return None
