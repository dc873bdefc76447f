"""Requests that Schemathesis makes of the OpenAPI document, valid and broken: no answer is the server's own fault."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error

from orchestration.backend.connect import open_backend
from orchestration.domain.settings import Settings
from orchestration.domain.states import StoredResult
from orchestration.server.app import create_app

EXAMPLES = 2
"""Requests of each kind for each operation; a longer search is a matter of this number."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    own: Path = tmp_path_factory.mktemp("schema")
    chosen = Settings(own)
    backend = open_backend(chosen, StoredResult)
    yield create_app(chosen, backend)
    backend.close()


@pytest.fixture(scope="module")
def operations(app: FastAPI) -> list[Any]:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    return [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("part", range(4))
def test_no_request_makes_the_server_fail(operations: list[Any], mode: str, part: int) -> None:
    kind = schemathesis.GenerationMode(mode)
    asked = operations[part::4]
    assert len(asked) > 20
    for operation in asked:
        _try(operation, kind)


def _try(operation: Any, kind: schemathesis.GenerationMode) -> None:
    @given(st.data())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=kind))
        answer = case.call()
        case.validate_response(answer, checks=[not_a_server_error])

    with suppress(Unsatisfiable):  # nothing can be wrong with a request that says nothing
        ask()
