"""Routes that resources have alike: listings, and creating, reading, changing and removing one.

A resource costs a line for each. The models of the requests are made from the filter language, so that what is
refused here, and what ``/openapi.json`` says, is what the store understands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from inspect import Parameter, Signature
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field as Limits, conlist, create_model

from orchestration.backend.clock import utc_now
from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectAlreadyExists
from orchestration.domain.schemas.filters import GRAMMAR, PAGE, SORTS, Field, Fields, Query
from orchestration.domain.schemas.wire import Document, moment_of
from orchestration.domain.states import StateType
from orchestration.server.answers import Json
from orchestration.server.values import MOST_PATTERNS, MOST_VALUES, Body, Count, Lenient, Moment, Whole

Keys = Mapping[str, Any]
Locate = Callable[[Backend, Keys], Keys]
"""From the values in a path to the fields that a document is known by."""

RUN_FILTERS = "flows flow_runs task_runs deployments work_pools work_pool_queues"
"""What listings of runs, and of what runs come from, may be narrowed by."""
_STORED_AS = {"work_pool_queues": "work_queues"}

_KINDS: Mapping[str, Any] = {"id": UUID, "text": str, "tags": str, "json": str, "time": Moment, "number": Whole}
_FLAGS = ("is_null_", "exists_", "eq_")
_LISTS = ("any_", "not_any_", "all_", "startswith_", "id_", "type_")


async def _backend(request: Request) -> Backend:
    found: Backend = request.app.state.backend
    return found


BackendOf = Annotated[Backend, Depends(_backend)]
"""The backend of the application, as an argument of a handler."""


# -- request models --------------------------------------------------------------------------------------------------


@lru_cache
def _field_filter(kind: str, operators: tuple[str, ...], values: Any = None) -> type[Body]:
    """The model of a filter on one field, such as ``{"any_": [...]}``."""
    value = values or _KINDS.get(kind, str)
    patterns: Any = conlist(value, max_length=MOST_PATTERNS)
    listed: Any = patterns if kind in ("tags", "json") else conlist(value, max_length=MOST_VALUES)
    types: dict[str, Any] = dict.fromkeys(_LISTS, listed) | dict.fromkeys(_FLAGS, bool) | {"startswith_": patterns}
    fields = {name: types.get(name, value) | None for name in operators}
    return _model(_title(f"{'state' if values else kind} {' '.join(operators)} filter"), fields)


@lru_cache
def filter_model(resource: str) -> type[Body]:
    """The model of a resource's filter."""
    return _model(f"{_title(resource)}Filter", _filters(f"{_title(resource)}Filter", GRAMMAR[resource]))


def _filters(name: str, grammar: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, of in grammar.items():
        if isinstance(of, Field):
            of_state = name.endswith("State") and field == "type"
            found[field] = _field_filter(of.kind, of.operators, StateType if of_state else None) | None
        else:
            within = f"{name}{_title(field)}"
            found[field] = _model(within, _filters(within, of)) | None
    return found


def _model(name: str, fields: Mapping[str, Any]) -> type[Body]:
    """A model whose fields may all be left out."""
    both = {**fields, "operator": Literal["and_", "or_"] | None}
    optional: dict[str, Any] = {key: (kind, None) for key, kind in both.items()}
    return create_model(name, __base__=Body, **optional)


@lru_cache
def filters_model(filters: str, resource: str = "") -> type[Body]:
    """The model of a request that narrows a listing by these filters; ``resource`` is what an own one stands for."""
    named = {name: filter_model(_resource_of(name, resource)) for name in filters.split()}
    fields: dict[str, Any] = {name: (model | None, None) for name, model in named.items()}
    return create_model(f"{_title(resource or filters)}Where", __base__=Lenient, **fields)


@lru_cache
def _listing_model(filters: str, resource: str, sort: str, pages: bool) -> type[Body]:
    sorts = Literal[SORTS[resource]]  # type: ignore[valid-type]
    place: dict[str, Any] = {"page": (int, Limits(1, ge=1, le=2**31))} if pages else {"offset": (Count, 0)}
    return create_model(
        f"{_title(resource)}{'Page' if pages else 'Listing'}",
        __base__=filters_model(filters, resource),
        limit=(int | None, Limits(None, ge=int(pages), le=PAGE)),
        sort=(sorts, sort or SORTS[resource][0]),
        **place,
    )


def where_of(body: Body, resource: str = "", within: Keys | None = None) -> Document:
    """The filters of a request as the backend has them; ``within`` are values that fields of ``resource`` have."""
    dumped = body.model_dump(mode="json", exclude_none=True, exclude={"limit", "sort", "page", "offset"})
    where = {_resource_of(name, resource): given for name, given in dumped.items() if name in _FILTERS}
    if within:
        narrowed = {name: {"any_": [str(value)]} for name, value in within.items()}
        where[resource] = {**where.get(resource, {}), **narrowed}
    return where


def _resource_of(name: str, resource: str) -> str:
    """The resource that the filter of this name is about, in a listing of ``resource``."""
    if name == "artifacts" and resource == "artifact_collections":
        return resource
    return _STORED_AS.get(name, name)


_FILTERS = {*GRAMMAR, *_STORED_AS}


def _title(name: str) -> str:
    return "".join(word.capitalize() for word in name.replace(" ", "_").split("_"))


# -- routes ----------------------------------------------------------------------------------------------------------


def add(router: APIRouter, method: str, path: str, handler: Callable[..., Any], **about: Any) -> None:
    """Add a handler whose arguments become known at run time: ``(backend, keys, body)``, keys by name in the path.

    Args:
        router: what gets the route.
        method: of HTTP.
        path: with the keys in braces; ``{id:uuid}`` is an id, all others are text.
        handler: gives a document, documents, a whole response, or nothing.
        about: ``body``, the model of the request, if it has one; all else is for FastAPI.
    """
    model, status = about.pop("body", None), about.pop("status", 200)
    kinds = dict(re.findall(r"{(\w+)(?::(\w+))?}", path))

    def endpoint(backend: Backend, body: Any = None, **keys: Any) -> Response:
        answer = handler(backend, keys, body)
        if isinstance(answer, Response):
            return answer
        return Response(status_code=204) if status == 204 else Json(answer, status)  # noqa: PLR2004

    arguments = [_argument(name, UUID if kind == "uuid" else str) for name, kind in kinds.items()]
    arguments.append(_argument("backend", BackendOf))
    if model is not None:
        may_be_empty = all(not field.is_required() for field in model.model_fields.values())
        arguments.append(_argument("body", model, model() if may_be_empty else Parameter.empty))
    vars(endpoint)["__signature__"] = Signature(arguments)
    about.setdefault("name", handler.__name__)
    router.add_api_route(path, endpoint, methods=[method], status_code=status, response_model=None, **about)


def _argument(name: str, kind: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def as_in_path(_backend: Backend, keys: Keys) -> Keys:
    """The fields that a document is known by are those in the path."""
    return keys


def nothing(_backend: Backend, _keys: Keys) -> Keys:
    """A listing is not narrowed by its path."""
    return {}


def add_listings(
    router: APIRouter, resource: str, filters: str, path: str = "", within: Locate = nothing, **what: Any
) -> None:
    """Add ``filter``, ``count`` and ``paginate``; ``within`` gives the fields that a path narrows a listing to.

    ``what`` may switch off ``count`` or ``pages``, and name the ``sort`` that holds unless asked for another.
    """
    sort = what.get("sort", "")

    def listing(backend: Backend, keys: Keys, body: Any) -> list[Document]:
        where = where_of(body, resource, within(backend, keys))
        return backend.find(resource, Query(where, body.sort, _limit(body), body.offset))

    def number(backend: Backend, keys: Keys, body: Any) -> int:
        return backend.count(resource, where_of(body, resource, within(backend, keys)))

    def page(backend: Backend, keys: Keys, body: Any) -> Document:
        where, limit = where_of(body, resource, within(backend, keys)), _limit(body)
        total = backend.count(resource, where)
        found = backend.find(resource, Query(where, body.sort, limit, (body.page - 1) * limit))
        return {"results": found, "count": total, "limit": limit, "pages": -(-total // limit), "page": body.page}

    _post(router, f"{path}/filter", listing, resource, _listing_model(filters, resource, sort, pages=False))
    if what.get("count", True):
        _post(router, f"{path}/count", number, resource, filters_model(filters, resource))
    if what.get("pages", False):
        _post(router, f"{path}/paginate", page, resource, _listing_model(filters, resource, sort, pages=True))


def _post(router: APIRouter, path: str, handler: Callable[..., Any], resource: str, model: type[Body]) -> None:
    add(router, "POST", path, handler, body=model, name=f"{handler.__name__} of {resource}")


def _limit(body: Any) -> int:
    return PAGE if body.limit is None else int(body.limit)


def add_create(
    router: APIRouter,
    resource: str,
    model: type[Body],
    path: str = "/",
    within: Locate = nothing,
    if_known: Literal["refuse", "keep", "overwrite"] = "refuse",
) -> None:
    """Add the creation of one: 201, or 200 when it was there before and is kept or overwritten; else 409."""

    def create(backend: Backend, keys: Keys, body: Body) -> Response:
        began, document = utc_now(), {**body.whole(), **within(backend, keys)}
        try:
            stored = backend.create(resource, document, overwrite=if_known == "overwrite")
        except ObjectAlreadyExists:
            if if_known != "keep":
                raise
            stored = backend.read(resource, name=document["name"])
        return Json(stored, 201 if is_new(stored, began) else 200)

    add(router, "POST", path, create, body=model, status=201, name=f"create one of {resource}")


def is_new(document: Document, began: Any) -> bool:
    """Whether a document was made since then."""
    created = moment_of(document["created"])
    return created is not None and created >= began


def add_one(
    router: APIRouter,
    resource: str,
    path: str = "/{id:uuid}",
    update: type[Body] | None = None,
    locate: Locate = as_in_path,
    remove: bool = True,
) -> None:
    """Add reading, and where wanted changing and removing, the one that ``path`` names."""

    def read(backend: Backend, keys: Keys, _body: None) -> Document:
        return backend.read(resource, **locate(backend, keys))

    def change(backend: Backend, keys: Keys, body: Body) -> None:
        backend.change(resource, body.given(), **locate(backend, keys))

    def delete(backend: Backend, keys: Keys, _body: None) -> None:
        backend.delete(resource, **locate(backend, keys))

    add(router, "GET", path, read, name=f"read one of {resource}")
    if update is not None:
        add(router, "PATCH", path, change, body=update, status=204, name=f"change one of {resource}")
    if remove:
        add(router, "DELETE", path, delete, status=204, name=f"delete one of {resource}")
