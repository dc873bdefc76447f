"""The rules by which a class becomes a slug, a description, a schema and a checksum; the constants are Prefect's."""

import enum

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr

from orchestration.sdk.block_model import SecretDict, description_of, slugify
from orchestration.sdk.blocks import Block


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Lock(BaseModel):
    """A lock."""

    code: SecretStr = SecretStr("0")
    turns: int = 3


class Gauge(Block):
    """Measures a pressure.

    It may be read from anywhere.

    Attributes:
        unit: The unit.

    Example:
        Read it:
        ```python
        Gauge.load("x")
        ```
    """

    unit: str
    ticks: list[int] = Field(default_factory=list)
    limits: dict[str, float] = Field(default={})


class Vault(Block):
    _block_type_name = "A Vault's 1,000 Keys"
    _description = "Holds keys."

    pin: SecretStr
    token: SecretBytes | None = None
    more: SecretDict = Field(default_factory=lambda: SecretDict({}))
    size: Size = Size.SMALL
    door: Gauge | str | None = None
    doors: list[Gauge] = Field(default_factory=list, alias="all_doors")
    lock: Lock = Field(default_factory=Lock)


@pytest.mark.parametrize(
    ("block_type", "slug", "checksum"),
    [
        (Gauge, "gauge", "sha256:b4eb7978b75d010e13a82afaf44d872bbcb08cb46270cf8bc16faea219d18f69"),
        (Vault, "a-vault-s-1000-keys", "sha256:d8b97768fc9bcffe26910a09b9de7128c5faa01c044dc2cc4efe59f3d6ec0ab2"),
    ],
)
def test_slug_and_checksum_of_a_users_type(block_type: type[Block], slug: str, checksum: str) -> None:
    assert block_type.get_block_type_slug() == slug
    assert block_type._calculate_schema_checksum() == checksum


def test_secrets_are_found_wherever_they_are() -> None:
    assert Vault.model_json_schema()["secret_fields"] == ["pin", "token", "more.*", "lock.code"]


def test_nested_blocks_are_named_by_slug_and_checksum() -> None:
    gauge = {"block_type_slug": "gauge", "block_schema_checksum": Gauge._calculate_schema_checksum()}
    assert Vault.model_json_schema()["block_schema_references"] == {"door": gauge, "doors": gauge}


def test_fields_keep_their_places_in_nested_definitions_too() -> None:
    schema = Vault.model_json_schema()
    assert schema["properties"]["all_doors"]["position"] == 5
    assert schema["definitions"]["Gauge"]["properties"]["limits"]["position"] == 2


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("A Vault's 1,000 Keys", "a-vault-s-1000-keys"),
        ("AwsCredentials", "awscredentials"),
        ("  x--y  ", "x-y"),
        ("S3 Bucket", "s3-bucket"),
        ("naïve café", "naive-cafe"),
        ("Don\u2019t", "dont"),
        ("a_b.c", "a-b-c"),
        ("1,2,3", "123"),
        ('say "hi"', "say-hi"),
    ],
)
def test_slugs(text: str, slug: str) -> None:
    assert slugify(text) == slug


@pytest.mark.parametrize(
    ("docstring", "description"),
    [
        ("One line.", "One line."),
        ("Two\nlines.", "Two\nlines."),
        ("Text.\n\nArgs:\n    x: y\n\nMore.", "Text."),
        ("Example:\n    code\n\nAfter.", "After."),
        ("Text\n\nNote: this is not a section.\n\nStill text.", "Text\n\nNote: this is not a section.\n\nStill text."),
        ("First.\n\n    indented\n\nSecond.", "First.\n\n    indented\n\nSecond."),
        ("Attributes:\n    a: b\n", "Attributes:\na: b"),
        ("", None),
        (None, None),
        ("Text.\nReturns:\n    x", "Text.\nReturns:\n    x"),
        ("A: B\n\ntext", "A: B\n\ntext"),
        ("Text.\n\nMy Title:\n    indented", "Text."),
        ("Text.\n\nNote: Titled\n    indented", "Text."),
        ("  Leading.\n\n  Examples:\n      >>> 1", "Leading."),
        ("Text.\n\n```\nArgs:\n    x\n```\n\nEnd.", "Text.\n\n```\nArgs:\n    x\n```\n\nEnd."),
    ],
)
def test_descriptions_of_docstrings(docstring: str | None, description: str | None) -> None:
    assert description_of(docstring) == description


def test_the_docstring_of_the_base_class_describes_no_other() -> None:
    class Plain(Block):
        value: int = 1

    assert Plain.get_description() is None
    assert "description" not in Plain.model_json_schema()
