"""Sizes: what does not fit in a head, or on a screen, is divided."""

import ast
from pathlib import Path

from tests.architecture.source import (
    PACKAGES,
    ROOT,
    Function,
    code_lines,
    docstring_lines,
    functions_of,
    name_of,
    pyproject,
    python_files,
    tree_of,
)

FILE_LINES = 350
TEST_FILE_LINES = 400
FUNCTION_LINES = 45
ARGUMENTS = 6
COMPLEXITY = 8
ENGINE_CODE_LINES = 10_000
PAGES_LINES, PAGES_WIDTH = 4_000, 140

PREFECT_SIGNATURES = {
    "blocks/mail.py": {"email_send_message"},
    "orchestration/cli/runs.py": {"deploy_", "run_deployment", "serve_flow"},
    "orchestration/sdk/flows.py": {"Flow.__init__"},
    "orchestration/sdk/projects/deploying.py": {"_run_deployment"},
    "orchestration/sdk/tasks.py": {"Task.__init__"},
}
"""Public functions, by file, with Prefect's arguments: neither they nor the lines they stand on are ours to count."""


def _lines(path: str) -> int:
    return len((ROOT / path).read_text().splitlines())


def _exempt(path: Path) -> set[str]:
    return PREFECT_SIGNATURES.get(name_of(path), set())


def _size(function: Function) -> int:
    """From ``def`` to the last line, the docstring not counted: what a reader of the code must hold in mind."""
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1 - len(docstring_lines(function))


def _signature(function: Function) -> int:
    """The lines that the arguments stand on."""
    return function.body[0].lineno - function.lineno


def _arguments(name: str, function: Function) -> int:
    """How many arguments a caller can give."""
    named = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    bound = bool(named) and named[0].arg in {"self", "cls"} and "." in name
    return len(named) - bound


def test_files_are_short() -> None:
    sizes = {name: _lines(name) for name in map(name_of, python_files(*PACKAGES, "benchmarks"))}
    assert {name: size for name, size in sizes.items() if size > FILE_LINES} == {}


def test_test_files_are_short() -> None:
    sizes = {name: _lines(name) for name in map(name_of, python_files("tests"))}
    assert {name: size for name, size in sizes.items() if size > TEST_FILE_LINES} == {}


def test_functions_are_short() -> None:
    sizes = {
        f"{name_of(path)}:{name}": _size(function) - _signature(function) * (name in _exempt(path))
        for path in python_files(*PACKAGES, "benchmarks")
        for name, function in functions_of(tree_of(path))
    }
    assert {name: size for name, size in sizes.items() if size > FUNCTION_LINES} == {}


def test_functions_take_few_arguments() -> None:
    over = {
        (name_of(path), name)
        for path in python_files(*PACKAGES, "benchmarks")
        for name, function in functions_of(tree_of(path))
        if _arguments(name, function) > ARGUMENTS
    }
    exempt = {(path, name) for path, names in PREFECT_SIGNATURES.items() for name in names}
    assert over == exempt, "unlisted on the left, listed in vain on the right"


def test_the_linter_holds_complexity_and_arguments() -> None:
    lint = pyproject()["tool"]["ruff"]["lint"]
    assert lint["mccabe"]["max-complexity"] == COMPLEXITY
    assert lint["pylint"] == {"max-args": ARGUMENTS}
    assert " ".join(lint["select"]) == "E F I UP B C4 SIM PL RUF PTH T20 ASYNC C90 PLC0415 S"
    assert "ignore" not in lint


def test_a_size_rule_is_waived_only_by_the_list_above() -> None:
    waived = {
        pattern for pattern, rules in pyproject()["tool"]["ruff"]["lint"]["per-file-ignores"].items()
        if any(rule.startswith(("C90", "PLR09")) for rule in rules)
    }  # fmt: skip
    assert waived == set(PREFECT_SIGNATURES)
    comments = [
        f"{name_of(path)}:{number}"
        for path in python_files(*PACKAGES, "benchmarks", "tests")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "noqa" in line and ("C901" in line or "PLR09" in line) and path.name != "test_budgets.py"
    ]
    assert comments == []


def test_the_engine_stays_small() -> None:
    assert sum(map(code_lines, python_files("orchestration"))) <= ENGINE_CODE_LINES


def test_the_measures_see_what_they_measure() -> None:
    source = 'class A:\n    def f(self, a, *, b):\n        """Say\n        it."""\n        return a\n'
    ((name, function),) = functions_of(ast.parse(source))
    assert (name, _size(function), _arguments(name, function)) == ("A.f", 2, 2)


def test_the_pages_are_small_and_can_be_read() -> None:
    kinds, folder = {".html", ".css", ".js"}, ROOT / "orchestration/server/ui"
    lines = {
        f"{path.name}:{number}": line
        for path in sorted(folder.rglob("*")) if path.suffix in kinds
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    }  # fmt: skip
    assert len(lines) <= PAGES_LINES
    assert [place for place, line in lines.items() if len(line) > PAGES_WIDTH] == []
