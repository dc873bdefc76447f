"""What each package shows to the outside: its types and its block types."""

from importlib import import_module
from importlib.metadata import EntryPoint

import pytest

from tests.architecture.source import PACKAGES, ROOT, pyproject

BLOCKS = {"blocks.aws:AwsCredentials", "blocks.aws:S3Bucket", "blocks.mail:EmailServerCredentials"}
ANNOUNCED: dict[str, str] = pyproject()["project"]["entry-points"]["orchestration.blocks"]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_carries_its_types(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_the_block_types_are_announced() -> None:
    assert set(ANNOUNCED.values()) == BLOCKS


@pytest.mark.parametrize("slug", sorted(ANNOUNCED))
def test_an_announced_block_type_is_a_block(slug: str) -> None:
    block = import_module("orchestration.sdk.blocks").Block
    assert issubclass(EntryPoint(slug, ANNOUNCED[slug], "orchestration.blocks").load(), block)
