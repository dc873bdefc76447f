"""Our block types are Prefect's: what Prefect 3.8.8, prefect-aws 0.7.12 and prefect-email 0.4.3 say of theirs."""

import json
import pkgutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from blocks.aws import AwsCredentials, MinIOCredentials, S3Bucket
from blocks.mail import EmailServerCredentials
from orchestration.sdk.block_model import class_of
from orchestration.sdk.blocks import Block, LocalFileSystem, Secret

PREFECT: dict[str, Any] = json.loads((Path(__file__).parent / "prefect_schemas.json").read_text())
OURS: list[type[Block]] = [
    AwsCredentials, MinIOCredentials, S3Bucket, EmailServerCredentials, LocalFileSystem, Secret,
]  # fmt: skip

types = pytest.mark.parametrize("block_type", OURS, ids=lambda block_type: block_type.__name__)


def test_every_type_is_compared() -> None:
    assert {block_type.__name__ for block_type in OURS} == set(PREFECT)


@types
def test_the_schema_is_prefects(block_type: type[Block]) -> None:
    assert block_type.model_json_schema() == PREFECT[block_type.__name__]["fields"]


@types
def test_the_checksum_is_prefects(block_type: type[Block]) -> None:
    assert block_type._calculate_schema_checksum() == PREFECT[block_type.__name__]["checksum"]


@types
def test_names_and_capabilities_are_prefects(block_type: type[Block]) -> None:
    theirs = PREFECT[block_type.__name__]
    assert block_type.get_block_type_slug() == theirs["slug"]
    assert block_type.get_block_type_name() == theirs["name"]
    assert sorted(block_type.get_block_capabilities()) == theirs["capabilities"]


def test_what_the_package_offers_is_named_by_its_slug() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    offered = project["entry-points"]["orchestration.blocks"]
    assert {slug: pkgutil.resolve_name(place).get_block_type_slug() for slug, place in offered.items()} == {
        slug: slug for slug in offered
    }


@types
def test_the_slug_leads_to_the_class(block_type: type[Block]) -> None:
    assert class_of(block_type.get_block_type_slug()) is block_type
