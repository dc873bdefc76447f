"""The habits of the tests themselves."""

import ast
import re

from tests.architecture.source import functions_of, name_of, python_files, tree_of

CHECKS = re.compile(r"\bassert|pytest\.(raises|warns|fail)|\.raises\(|_check|check_|verify|expect|run_state_machine")


def _waits(call: ast.Call) -> bool:
    """Whether the call lets time pass; ``asyncio.sleep(0)`` only gives way."""
    name = ast.unparse(call.func)
    if name not in {"sleep", "time.sleep", "anyio.sleep", "asyncio.sleep"}:
        return False
    return not (call.args and ast.unparse(call.args[0]) == "0")


def test_no_test_sleeps() -> None:
    sleeping = [
        f"{name_of(path)}:{node.lineno}"
        for path in python_files("tests")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and _waits(node)
    ]
    assert sleeping == []


def test_every_test_checks_something() -> None:
    idle = [
        f"{name_of(path)}:{name}"
        for path in python_files("tests")
        for name, function in functions_of(tree_of(path))
        if name.rpartition(".")[2].startswith("test_") and path.name.startswith("test_")
        if not CHECKS.search(ast.unparse(function))
    ]
    assert idle == []
