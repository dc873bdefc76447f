"""What parameters a flow takes, as the JSON schema that its deployments keep; and what does not fit one."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from jsonschema import Draft202012Validator
from pydantic import ConfigDict, Field, PydanticSchemaGenerationError, PydanticUserError, create_model

from orchestration.domain.errors import UsageError
from orchestration.domain.schemas.wire import Document

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_ARGUMENT = r"^\s+{}(?: \([^)]*\))?:\s*(\S.*)"
"""How Google's style of docstrings tells of an argument."""


def parameter_schema(fn: Callable[..., Any]) -> Document:
    """The schema of a function's parameters, with Prefect's titles and positions; what JSON cannot say is anything."""
    hints, described = get_type_hints(fn, include_extras=True), inspect.getdoc(fn) or ""
    schema: Document = {"title": "Parameters", "type": "object", "properties": {}}
    required, definitions = [], {}
    parameters = inspect.signature(fn).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        schema["additionalProperties"] = True
    given = [each for each in parameters if each.kind not in _VARIADIC]
    for position, each in enumerate(given):
        own = _schema_of(each, hints.get(each.name, Any))
        definitions |= own.pop("$defs", {})
        about = re.search(_ARGUMENT.format(re.escape(each.name)), described, re.MULTILINE)
        told = {"description": about[1]} if about else {}
        schema["properties"][each.name] = {**own["properties"][each.name], **told, "position": position}
        required += own.get("required", [])
    return schema | ({"required": required} if required else {}) | {"definitions": definitions}


def _schema_of(parameter: inspect.Parameter, hint: Any) -> Document:
    default = ... if parameter.default is inspect.Parameter.empty else parameter.default
    field: Any = Field(default, alias=parameter.name, title=parameter.name)
    with warnings.catch_warnings(action="ignore"):  # of defaults that JSON cannot say
        for kind in (hint, Any):
            try:
                made = create_model("P", __config__=ConfigDict(arbitrary_types_allowed=True), value=(kind, field))
                return made.model_json_schema(ref_template="#/definitions/{model}")
            except (PydanticUserError, PydanticSchemaGenerationError):
                continue
    return {"properties": {parameter.name: {"title": parameter.name}}}


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
        where = ".".join(map(str, fault.absolute_path))
        raise UsageError(f"The parameter {where!r} does not fit: {fault.message}.")
