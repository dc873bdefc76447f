"""Who may import whom, where, and at what price."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture.source import PACKAGES, ROOT, functions_of, name_of, pyproject, python_files, tree_of

LATE_IMPORTS = {
    "orchestration/__init__.py": "the public names are resolved when they are asked for",
    "blocks/aws_credentials.py": "boto3 takes 0.2 s, and only those who use S3 should pay",
    "orchestration/backend/catalog.py": "only the listings need SQLAlchemy, which takes 0.25 s",
    "orchestration/backend/connect.py": "only those who use PostgreSQL need its driver, which takes 0.1 s",
    "orchestration/cli/app.py": "a command loads its own group and no other",
    "orchestration/cli/runs.py": "only deploying reads YAML and JSON schemas",
    "orchestration/cli/things.py": "only registering blocks needs pydantic",
    "orchestration/backend/blocks.py": "a run without secrets needs no cipher",
    "orchestration/sdk/flows.py": "the engine loads at the first call",
    "orchestration/sdk/parameters.py": "a value that fits its annotation as it is needs no pydantic",
    "orchestration/sdk/pauses.py": "only a pause that asks for an input needs pydantic",
    "orchestration/sdk/projects/pulling.py": "which module has a flow is known once it is asked for",
    "orchestration/sdk/tasks.py": "the engine loads at the first call",
    "orchestration/services/serve.py": "only a server that starts needs FastAPI",
    "orchestration/server/api/work.py": "only a deployment with a parameter schema needs its reader, 0.1 s and 10 MB",
    "pipelines/duration_prediction/registry.py": "MLflow takes seconds",
}
"""The only files that may import inside a function, each with its reason."""

VIOLATIONS = {
    "Packages import down: pipelines, blocks, orchestration": ("orchestration/domain/a.py", "import blocks"),
    "Inside orchestration, imports point down": ("orchestration/domain/b.py", "import orchestration.sdk"),
    "No import goes round": ("blocks/c.py", "import blocks.d"),
    "Only persistence knows SQL": ("orchestration/sdk/e.py", "import sqlalchemy"),
    "Only the server knows FastAPI": ("orchestration/sdk/f.py", "import fastapi"),
    "Only the HTTP backend and the command line know httpx": ("blocks/g.py", "import httpx"),
    "Only the command line knows typer and rich": ("blocks/j.py", "import typer"),
    "The domain does no input or output": ("orchestration/domain/h.py", "import socket"),
    "The pipeline's pure files know neither the engine nor the blocks": (
        "pipelines/duration_prediction/i.py",
        "import blocks",
    ),
}
"""For each contract, a file and its only line, which that contract forbids."""


def _lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of a folder; in a process of its own, because import-linter sets up logging for all."""
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def _imports_late(node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom():
            return True
        case ast.Call(func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module")):
            return True
    return False


def test_imports_stand_on_top() -> None:
    late = {
        name_of(path)
        for path in python_files(*PACKAGES)
        for _, function in functions_of(tree_of(path))
        if any(map(_imports_late, ast.walk(function)))
    }
    assert late == set(LATE_IMPORTS), "unlisted on the left, listed in vain on the right"


def test_the_linter_waives_late_imports_for_the_same_files() -> None:
    ignores = pyproject()["tool"]["ruff"]["lint"]["per-file-ignores"]
    assert {pattern for pattern, rules in ignores.items() if "PLC0415" in rules} == set(LATE_IMPORTS)
    assert [name_of(path) for path in python_files(*PACKAGES) if "noqa: PLC0415" in path.read_text()] == []


def test_every_import_contract_is_kept() -> None:
    report = _lint_imports(ROOT)
    assert report.returncode == 0, report.stdout + report.stderr


def test_every_import_contract_can_be_broken(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file in ["blocks/d.py", "orchestration/sdk/__init__.py", *(file for file, _ in VIOLATIONS.values())]:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in path.relative_to(tmp_path).parents[:-1]:
            (tmp_path / folder / "__init__.py").touch()
    for file, line in VIOLATIONS.values():
        (tmp_path / file).write_text(line + "\n")
    (tmp_path / "blocks/d.py").write_text("import blocks.c\n")
    report = _lint_imports(tmp_path)
    contracts = {contract["name"] for contract in pyproject()["tool"]["importlinter"]["contracts"]}
    assert contracts == set(VIOLATIONS)
    assert {name for name in contracts if f"{name} BROKEN" in report.stdout} == contracts, report.stdout + report.stderr


def test_decorating_needs_the_standard_library_only() -> None:
    """Without site-packages nothing foreign can load; of the standard library, the slow parts must not."""
    program = "from orchestration import flow, task; import sys; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, env={}
    ).stdout.split()
    slow = {"asyncio", "concurrent", "logging", "multiprocessing", "socket", "sqlite3", "ssl", "subprocess", "urllib"}
    assert slow.intersection(name.partition(".")[0] for name in loaded) == set()
