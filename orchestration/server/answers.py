"""Answers as JSON, and errors as answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from orchestration.domain import errors
from orchestration.domain.rules import Decision
from orchestration.domain.schemas.wire import decision_document, moment_of

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


def of_decision(decision: Decision, began: datetime) -> Json:
    """The answer that tells a decision: 201 when a new state came of it."""
    document = decision_document(decision, None)
    entered = moment_of(document["state"]["timestamp"]) if document["state"] else None
    return Json(document, 201 if entered is not None and entered >= began else 200)


def refusal(status: int, sentence: str) -> Json:
    """The answer that says what was wrong; both words for it are Prefect's."""
    return Json({"detail": sentence, "exception_message": sentence}, status)


def refusal_of(error: HTTPException) -> Json:
    """The answer that says why something was refused."""
    answer = refusal(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


async def _of_error(_request: Request, error: Exception) -> Response:
    status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
    return refusal(status, str(error))


async def _of_fault(_request: Request, _error: Exception) -> Response:
    return refusal(500, "The server failed; its log says where.")


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these alone
    if error.status_code in (404, 405) and error.detail in ("Not Found", "Method Not Allowed"):
        error.detail = f"There is nothing at {request.method} {request.url.path}."
    return refusal_of(error)


async def _of_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for these alone
    found = [
        {name: _plain(value) for name, value in each.items() if name in ("type", "loc", "msg", "input")}
        for each in error.errors()
    ]
    first = found[0] if found else {"loc": ["request"], "msg": "is not valid"}
    sentence = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return Json({"exception_message": "Invalid request received.", "exception_detail": found, "detail": sentence}, 422)


def _plain(value: Any) -> Any:
    """A value that can be said in JSON, and that is not longer than an error should be."""
    text = json.dumps(value, default=str)
    return json.loads(text) if len(text) <= 1000 else f"{text[:1000]}…"  # noqa: PLR2004


HANDLERS: dict[type[Exception], Callable[[Request, Exception], Any]] = {
    errors.OrchestrationError: _of_error,
    HTTPException: _of_http,
    RequestValidationError: _of_validation,
    Exception: _of_fault,
}


def add_error_answers(app: FastAPI) -> None:
    """Answer every error that a caller may cause with its status and one sentence."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
