"""The contract speaks of every method of the port, and every backend has each of them as the port says."""

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

from orchestration.backend.blocks import BlockStore
from orchestration.backend.port import Backend
from tests.support.backends import Store

ASKED = {
    node.attr
    for path in Path(__file__).parent.glob("test_*.py")
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.Attribute)
}
"""Every attribute that the tests of this folder ask for."""


def _public(port: type) -> dict[str, Any]:
    return {name: member for name, member in vars(port).items() if not name.startswith("_")}


@pytest.mark.parametrize("port", [Backend, BlockStore])
def test_every_method_of_the_port_is_asked_for(port: type) -> None:
    assert set(_public(port)) - ASKED == set()


def _arguments(method: Any) -> list[tuple[str, bool]]:
    """Names of arguments, and whether they may be left out."""
    parameters = inspect.signature(method).parameters.values()
    return [(each.name, each.default is not each.empty) for each in parameters if each.name != "self"]


@pytest.mark.parametrize("port", [Backend, BlockStore])
def test_every_backend_takes_the_arguments_of_the_port(backend: Backend, port: type) -> None:
    kind = type(backend)
    methods = {name: member for name, member in _public(port).items() if inspect.isfunction(member)}
    assert {name: _arguments(getattr(kind, name)) for name in methods} == {
        name: _arguments(method) for name, method in methods.items()
    }


def test_a_backend_that_was_closed_leaves_what_it_wrote(store: Store) -> None:
    backend = store.connect()
    backend.create("variables", {"name": "answer", "value": 42})
    backend.close()
    assert store.open().read("variables", name="answer")["value"] == 42
