"""What each package asks of the outside, and what it shows to it: dependencies, types and block types."""

import ast
import re
import sys
from importlib import import_module
from importlib.metadata import EntryPoint, packages_distributions

import pytest

from tests.architecture.source import PACKAGES, ROOT, name_of, pyproject, python_files, tree_of

BLOCKS = {
    "blocks.aws:AwsCredentials",
    "blocks.aws:MinIOCredentials",
    "blocks.aws:S3Bucket",
    "blocks.mail:EmailServerCredentials",
}
ANNOUNCED: dict[str, str] = pyproject()["project"]["entry-points"]["orchestration.blocks"]

INSTALLED = packages_distributions()
PARTS = {"botocore": "boto3", "psycopg-pool": "psycopg", "pydantic-core": "pydantic", "s3transfer": "boto3"}
"""Distributions that are no choice of their own: they come and go with another one's version."""


def _declared(extra: str) -> set[str]:
    project = pyproject()["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"].get(extra, [])]
    return {re.split(r"[\[<>=~! ]", requirement)[0] for requirement in wanted}


def _distributions(module: str) -> set[str]:
    """The distributions that bring a module."""
    names = {name.lower().replace("_", "-") for name in INSTALLED.get(module, [])}
    return {PARTS.get(name, name) for name in names}


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [name.name.partition(".")[0] for name in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module.partition(".")[0]]
    return []


@pytest.mark.parametrize(
    ("package", "extra"), [("orchestration", "postgres"), ("blocks", ""), ("pipelines", "pipeline")]
)
def test_what_a_package_imports_is_declared(package: str, extra: str) -> None:
    declared = _declared(extra)
    undeclared = {
        f"{name_of(path)}: {module}"
        for path in python_files(package)
        for node in ast.walk(tree_of(path))
        for module in _imported(node)
        if module not in sys.stdlib_module_names and module not in PACKAGES and not _distributions(module) & declared
    }
    assert undeclared == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_carries_its_types(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_the_block_types_are_announced() -> None:
    assert set(ANNOUNCED.values()) == BLOCKS


@pytest.mark.parametrize("slug", sorted(ANNOUNCED))
def test_an_announced_block_type_is_a_block(slug: str) -> None:
    block = import_module("orchestration.sdk.blocks").Block
    assert issubclass(EntryPoint(slug, ANNOUNCED[slug], "orchestration.blocks").load(), block)
