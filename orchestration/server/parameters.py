"""Whether the parameters of a run are what its deployment takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException

from orchestration.domain.schemas.wire import Document


def check_parameters(deployment: Document, given: Mapping[str, Any], enforce: bool | None = None) -> None:
    """Refuse (409, as Prefect does) what does not fit the schema of a deployment that enforces it.

    A parameter that has a default may be null. A schema that is none is refused likewise (422).
    """
    schema = deployment.get("parameter_openapi_schema")
    if not schema or not (deployment["enforce_parameter_schema"] if enforce is None else enforce):
        return
    from jsonschema import Draft202012Validator, SchemaError
    from referencing.exceptions import Unresolvable

    required = schema.get("required") or ()
    parameters = {**(deployment.get("parameters") or {}), **given}
    wanted = {name: value for name, value in parameters.items() if value is not None or name in required}
    try:
        Draft202012Validator.check_schema(schema)
        wrong = next(Draft202012Validator(schema).iter_errors(wanted), None)
    except (SchemaError, Unresolvable) as error:
        raise HTTPException(422, f"The parameter schema of the deployment is not valid: {error}") from None
    if wrong is not None:
        where = "".join(f" for field {'.'.join(map(str, wrong.path))!r}" if wrong.path else "")
        raise HTTPException(409, f"Validation failed{where}: {wrong.message}")
