"""Whether what a request asks for fits what it is asked of: a deployment's parameters, and what ids point to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException

from orchestration.backend.port import Backend
from orchestration.domain.errors import ObjectNotFound
from orchestration.domain.schemas.wire import Document


def check_known(backend: Backend, **ids: Any) -> None:
    """Refuse (409, as Prefect does) what points to something that is not there; ``ids`` are by resource."""
    for resource, found in ids.items():
        try:
            backend.read(resource, id=found)
        except ObjectNotFound as error:
            raise HTTPException(409, str(error)) from None


def check_parameters(deployment: Document, given: Mapping[str, Any], enforce: bool | None = None) -> None:
    """Refuse (409, as Prefect does) what does not fit the schema of a deployment that enforces it.

    A parameter that has a default may be null. A schema that is none is refused likewise (422).
    """
    schema = deployment.get("parameter_openapi_schema")
    if not schema or not (deployment["enforce_parameter_schema"] if enforce is None else enforce):
        return
    from jsonschema import Draft202012Validator, SchemaError, ValidationError, validate
    from referencing.exceptions import Unresolvable

    parameters, required = {**(deployment.get("parameters") or {}), **given}, schema.get("required") or ()
    wanted = {name: value for name, value in parameters.items() if value is not None or name in required}
    try:
        validate(wanted, schema, Draft202012Validator)
    except ValidationError as wrong:
        where = "".join(f" for field {'.'.join(map(str, wrong.path))!r}" if wrong.path else "")
        raise HTTPException(409, f"Validation failed{where}: {wrong.message}") from None
    except (SchemaError, Unresolvable) as error:
        raise HTTPException(422, f"The parameter schema of the deployment is not valid: {error}") from None
