"""What parameters a flow takes, as the JSON schema that its deployments keep; and what does not fit one."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from jsonschema import Draft202012Validator
from pydantic import ConfigDict, Field, PydanticUserError, create_model

from orchestration.domain.errors import UsageError
from orchestration.domain.schemas.wire import Document


def parameter_schema(fn: Callable[..., Any]) -> Document:
    """The schema of a function's parameters, with Prefect's titles and positions; what JSON cannot say is anything."""
    parameters = inspect.signature(fn).parameters.values()
    given = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    try:
        schema = _schema(fn, given, get_type_hints(fn, include_extras=True))
    except (PydanticUserError, NameError, TypeError):
        schema = _schema(fn, given, {})
    others = {"additionalProperties": True} if any(each.kind is each.VAR_KEYWORD for each in parameters) else {}
    return {"definitions": schema.pop("$defs", {}), **schema, **others}


def _schema(fn: Callable[..., Any], given: list[inspect.Parameter], hints: Mapping[str, Any]) -> Document:
    described, fields = inspect.getdoc(fn) or "", {}
    for position, each in enumerate(given):
        told = re.search(rf"^\s+{re.escape(each.name)}(?: \([^)]*\))?:\s*(\S.*)", described, re.MULTILINE)
        named: Any = {"alias": each.name, "title": each.name, "json_schema_extra": {"position": position}}
        default = ... if each.default is each.empty else each.default
        field = Field(default, description=told and told[1], **named)
        fields[f"field_{position}"] = (hints.get(each.name, Any), field)  # no name that pydantic has a use for
    model: Any = create_model("Parameters", __config__=ConfigDict(arbitrary_types_allowed=True), **fields)  # type: ignore[call-overload]
    with warnings.catch_warnings(action="ignore"):  # of defaults that JSON cannot say
        return dict(model.model_json_schema(ref_template="#/definitions/{model}"))


def check_parameters(schema: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse parameters that are not in a schema, or do not fit it; those that are missing a run may bring.

    Raises:
        UsageError: the message names the parameter.
    """
    known, required = schema.get("properties", given), schema.get("required") or ()
    unknown = [] if schema.get("additionalProperties") else [name for name in given if name not in known]
    if unknown:
        raise UsageError(f"There is no parameter {unknown[0]!r}; the flow has {', '.join(known) or 'none'}.")
    wanted = {name: value for name, value in given.items() if value is not None or name in required}
    for fault in Draft202012Validator({**schema, "required": []}).iter_errors(wanted):
        raise UsageError(f"The parameter {'.'.join(map(str, fault.absolute_path))!r} does not fit: {fault.message}.")
