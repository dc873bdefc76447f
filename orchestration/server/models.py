"""Requests and answers: the models of ``requests.toml``, those that listings have from the filter language, and JSON.

So what is refused here, and what ``/openapi.json`` says, is what the store understands.
"""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_type_hints
from uuid import UUID

import pydantic
from fastapi import Depends, Header, Query as InAddress, Request, Response
from pydantic import AfterValidator, BaseModel, Field as Limits, conlist, create_model
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from orchestration.domain import errors
from orchestration.domain.errors import UsageError
from orchestration.domain.schedules import document_of, schedule_of
from orchestration.domain.schemas.filters import GRAMMAR, SORTS, Field, Fields
from orchestration.domain.schemas.wire import ID, Document
from orchestration.domain.states import StateDetails, StateType

# Dates beyond have no span after them.
LAST = datetime(9000, 1, 1, tzinfo=UTC)


class Body(BaseModel):
    """What a request may say; a field that is not known is an error."""

    model_config = pydantic.ConfigDict(extra="forbid")

    def given(self) -> Document:
        """The fields that the request names, as JSON."""
        return self.whole(exclude_unset=True)

    def whole(self, exclude_unset: bool = False) -> Document:
        """All fields, as JSON; those that were not named have their defaults."""
        dumped = self.model_dump(mode="json", exclude_unset=exclude_unset)
        return {name.removesuffix("_"): value for name, value in dumped.items()}


class Lenient(Body):
    """What a request may say; fields that are not known are left out, and so are those that are null."""

    model_config = pydantic.ConfigDict(extra="ignore")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given


# -- kinds of values, checked so far that no store can choke on them ---------------------------------------------------


def _in_utc(moment: datetime) -> datetime:
    """A time without a zone is UTC, as with Prefect."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("is out of the range of dates") from None


def _times(given: Document) -> Document:
    """What a schedule can be made of."""
    try:
        return document_of(schedule_of(given))
    except (UsageError, ValueError, TypeError, OverflowError) as error:
        raise ValueError(str(error)) from None


def _known(resource: Document) -> Document:
    """The labels of a resource, its id among them."""
    if not resource.get(ID):
        raise ValueError(f"needs the label {ID}")
    return resource


def _sent_again(key: Annotated[UUID | None, Header(alias="Idempotency-Key")] = None) -> UUID | None:
    return key


_NONE_IS_EMPTY = pydantic.BeforeValidator(lambda given: {} if given is None else given)
Moment = Annotated[datetime, AfterValidator(_in_utc)]
_DETAILS: dict[str, Any] = {
    name: (Union[Moment if "datetime" in str(hint) else hint, None], None)  # noqa: UP007 - the hint may be text
    for name, hint in get_type_hints(StateDetails).items()
}
# By the words that the tables have for them, ``requests.toml`` and ``routes.toml``.
_KINDS: dict[str, Any] = {
    "Body": Body, "Lenient": Lenient, "StateDetails": create_model("StateDetails", __base__=Lenient, **_DETAILS),
    "any": Any, "flag": bool, "float": float, "id": UUID, "int": int, "text": str, "state": StateType, "time": Moment,
    "early_time": Annotated[Moment, Limits(lt=LAST)], "number": Annotated[int, Limits(ge=-(2**63), lt=2**63)],
    "labels": Annotated[dict[str, bool | int | float | str], _NONE_IS_EMPTY],
    "schedule": Annotated[Document, AfterValidator(_times)],
    "resource": Annotated[dict[str, str | None], AfterValidator(_known)],
    "page_token": Annotated[str, InAddress(alias="page-token")],
    "idempotency_key": Annotated[Any, Depends(_sent_again)], "request": Request,
}  # fmt: skip


def kind_of(said: str) -> Any:
    """The type that a table means: a kind or a model, ``[one]``, ``{one}``, ``one?`` or ``one | other``."""
    if said.endswith("?"):
        return kind_of(said[:-1]) | None
    match said[0], said[-1]:
        case "[", "]":
            return list[kind_of(said[1:-1])]  # type: ignore[misc]
        case "{", "}":
            return dict[str, kind_of(said[1:-1])]  # type: ignore[misc]
    first, _, other = said.partition(" | ")
    return Union[_KINDS[first], kind_of(other)] if other else _KINDS[first]  # noqa: UP007 - made at run time


def field_of(said: str | list[Any]) -> tuple[Any, Any]:
    """The type of a field, and what it is unless it is given; ``...`` where it must be."""
    if isinstance(said, list):
        return kind_of(said[0]), said[1]
    return kind_of(said), None if said.endswith("?") else ...


def _read_requests() -> None:
    """Add the kinds and models of ``requests.toml``, in its order."""
    tables = tomllib.loads(Path(__file__).with_name("requests.toml").read_text(encoding="utf-8"))
    for name, bounds in tables.pop("kinds").items():
        _KINDS[name] = Annotated[kind_of(bounds.pop("of")), Limits(**bounds)]
    for name, fields in tables.items():
        base = _KINDS[fields.pop("extends", "Body")]
        own: Any = {field: field_of(said) for field, said in fields.items()}
        _KINDS[name] = create_model(name, __base__=base, **own)


_read_requests()

# -- listings ----------------------------------------------------------------------------------------------------------

# Values that a filter may list; a statement has room for three times as many.
MOST_VALUES = 10_000
# Tags, beginnings and patterns that a filter may list; each is a condition of its own.
MOST_PATTERNS = 100
_STORED_AS = {"work_pool_queues": "work_queues"}
_FILTERS = {*GRAMMAR, *_STORED_AS}
_OPERATOR = Literal["and_", "or_"]


@lru_cache
def _field_filter(of: Field) -> type[Body]:
    """The model of a filter on one field, such as ``{"any_": [...]}``."""
    value = _KINDS.get(of.kind, str)
    patterns: Any = conlist(value, max_length=MOST_PATTERNS)
    listed: Any = patterns if of.kind in ("tags", "json") else conlist(value, max_length=MOST_VALUES)
    kinds = {
        **dict.fromkeys(("any_", "not_any_", "all_", "id_", "type_"), listed),
        **dict.fromkeys(("startswith_", "not_startswith_"), patterns),
        **dict.fromkeys(("is_null_", "exists_", "eq_"), bool),
    }
    name = _title(f"{of.kind} {' '.join(of.operators)} filter")
    return _narrowing(name, {operator: kinds.get(operator, value) for operator in of.operators})


def _filter(name: str, grammar: Fields) -> type[Body]:
    kinds = {
        field: _field_filter(of) if isinstance(of, Field) else _filter(f"{name}{_title(field)}", of)
        for field, of in grammar.items()
    }
    return _narrowing(name, kinds)


def _narrowing(name: str, kinds: Mapping[str, Any]) -> type[Body]:
    """A model whose fields may all be left out."""
    fields: dict[str, Any] = {field: (kind | None, None) for field, kind in {**kinds, "operator": _OPERATOR}.items()}
    return create_model(name, __base__=Body, **fields)


def listing_model(resource: str, filters: str, body: str = "", sort: str = "") -> type[Body]:
    """The model of a request that narrows a listing of a resource.

    Args:
        resource: what is listed.
        filters: the names of the filters, with blanks between them.
        body: the model whose fields the request has as well.
        sort: the order that a page has unless another one is asked for.
    """
    fields: dict[str, Any] = {name: (_MODELS[_resource_of(name, resource)] | None, None) for name in filters.split()}
    base: type[Body] = _KINDS[body or "Lenient"]
    if "limit" in base.model_fields:
        fields["sort"] = (Literal[SORTS[resource]], sort or SORTS[resource][0])
    return create_model(f"{_title(resource)}{body or 'Where'}", __base__=base, **fields)


def where_of(body: Body, resource: str, within: Mapping[str, Any]) -> Document:
    """The filters of a request as the backend has them; ``within`` are values that fields of ``resource`` have."""
    dumped = body.model_dump(mode="json", exclude_none=True)
    where = {_resource_of(name, resource): given for name, given in dumped.items() if name in _FILTERS}
    if within:
        narrowed = {name: {"any_": [str(value)]} for name, value in within.items()}
        where[resource] = {**where.get(resource, {}), **narrowed}
    if resource == "block_documents":  # those without a name are left out unless the request speaks of them
        said = "is_anonymous" in getattr(getattr(body, resource), "model_fields_set", ())
        where[resource] = where.get(resource, {}) | ({} if said else {"is_anonymous": {"eq_": False}})
    return where


def _resource_of(name: str, resource: str) -> str:
    """The resource that the filter of this name is about, in a listing of ``resource``."""
    if name == "artifacts" and resource == "artifact_collections":
        return resource
    return _STORED_AS.get(name, name)


def _title(name: str) -> str:
    return "".join(word.capitalize() for word in name.replace(" ", "_").split("_"))


# By resource, the model of its filter.
_MODELS = {resource: _filter(f"{_title(resource)}Filter", grammar) for resource, grammar in GRAMMAR.items()}


# -- answers -----------------------------------------------------------------------------------------------------------

# What an error is to the caller; the first kind that fits counts.
STATUS: dict[type[Exception], int] = {
    errors.ObjectNotFound: 404, errors.ObjectAlreadyExists: 409, errors.UsageError: 422,
    errors.ConfigurationError: 422, errors.StoreError: 503, errors.OrchestrationError: 500,
}  # fmt: skip


class Json(Response):
    """Documents as they are; JSON has no word for what is not a number, so that becomes null."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200) -> None:
        super().__init__(to_json(content, inf_nan_mode="null"), status_code)


def fault_of(request: Request, error: Exception) -> HTTPException:
    """What an error is to the caller: a status and one sentence; what is nobody's fault is told by the log alone."""
    if not isinstance(error, HTTPException):
        status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), None)
        return HTTPException(status or 500, str(error) if status else "The server failed; its log says where.")
    if error.detail in ("Not Found", "Method Not Allowed"):
        error.detail = f"There is nothing at {request.method} {request.url.path}."
    return error


def refusal_of(fault: HTTPException) -> Json:
    """The answer that says why something was refused; both words for it are Prefect's."""
    answer = Json({"detail": fault.detail, "exception_message": fault.detail}, fault.status_code)
    answer.headers.update(fault.headers or {})
    return answer


async def invalid(_request: Request, error: Any) -> Response:
    """The answer that says what of a request is not as it should be."""
    found = [{name: each[name] for name in ("type", "loc", "msg")} for each in error.errors()]
    sentence = f"{'.'.join(map(str, found[0]['loc']))}: {found[0]['msg']}"
    return Json({"exception_message": "Invalid request received.", "exception_detail": found, "detail": sentence}, 422)
