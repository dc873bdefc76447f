"""What a block shows of itself, and what it hides."""

import traceback
from typing import Any

import pytest
from pydantic import Field, SecretStr, ValidationError

from blocks.aws import AwsCredentials, MinIOCredentials, S3Bucket
from orchestration.sdk.block_errors import BlockUsageError
from orchestration.sdk.blocks import Block
from orchestration.sdk.testing import test_harness


class Door(Block):
    """Opens."""

    _block_type_name = "Front Door"
    _block_schema_capabilities = ("open",)

    width: int = 1
    code: SecretStr = SecretStr("")
    opened: list[str] = Field(default_factory=list)

    def block_initialization(self) -> None:
        """Note that the block is ready."""
        self.opened.append("ready")


class GardenDoor(Door):
    """Opens to the garden."""

    _block_type_name = "Garden Door"
    _block_schema_capabilities = ("close",)
    _code_example = """
        open_it()
    """


def test_a_block_does_not_show_its_secrets() -> None:
    door = Door(code=SecretStr("door-secret"))
    shown = [repr(door), str(door), door.model_dump_json(), str(door.model_dump()), str(door.model_dump(mode="json"))]
    assert [text for text in shown if "door-secret" in text] == []


def test_a_block_reveals_its_secrets_when_asked() -> None:
    bucket = S3Bucket(
        bucket_name="b",
        credentials=MinIOCredentials(minio_root_user="u", minio_root_password=SecretStr("revealed-one")),
    )
    dumped = bucket.model_dump(context={"include_secrets": True})
    assert dumped["credentials"]["minio_root_password"] == "revealed-one"


def test_a_session_token_is_hidden_though_its_field_is_plain() -> None:
    shown = repr(AwsCredentials(aws_session_token="token-to-hide"))
    assert "token-to-hide" not in shown
    assert "aws_session_token='********'" in shown
    assert "aws_session_token=None" in repr(AwsCredentials())


def test_an_error_of_validation_does_not_show_the_value() -> None:
    values = {"width": "-".join(["tell", "nobody"])}
    with pytest.raises(ValidationError) as caught:
        Door.model_validate(values)
    told = "".join(traceback.format_exception(caught.value))
    assert "width" in told
    assert "tell-nobody" not in told


def test_the_type_may_be_named_among_the_values() -> None:
    assert isinstance(Door.model_validate({"block_type_slug": "garden-door", "width": 2}), GardenDoor)
    with pytest.raises(ValidationError, match="a block of the type 'garden-door' is wanted, not 'front-door'"):
        GardenDoor.model_validate({"block_type_slug": "front-door"})


def test_what_a_dump_says_of_the_document_is_no_value() -> None:
    door = Door(width=3)
    with test_harness():
        door.save("d")
    dumped: dict[str, Any] = door.model_dump()
    assert (dumped["block_type_slug"], dumped["_block_document_name"]) == ("front-door", "d")
    again = Door.model_validate(dumped)
    assert again.model_extra == {}
    assert again._block_document_id is None
    assert set(door.model_dump(include={"width"})) == {"width"}


def test_initialization_happens_once() -> None:
    assert Door(opened=[]).opened == ["ready"]
    assert Door.model_validate({"opened": []}).opened == ["ready"]


def test_capabilities_and_examples() -> None:
    assert GardenDoor.get_block_capabilities() == {"open", "close"}
    assert GardenDoor.get_code_example().strip() == "open_it()"
    assert 'front_door_block = Door.load("BLOCK_NAME")' in Door.get_code_example()


def test_the_version_is_that_of_the_package() -> None:
    assert Door.get_block_schema_version() == "non-versioned"


def test_a_saved_block_can_stand_as_a_reference() -> None:
    door = Door()
    references = {"serialize_blocks_as_references": True}
    with pytest.raises(ValueError, match="This Door is not saved yet, so nothing can refer to it"):
        door.model_dump(context=references)
    with pytest.raises(BlockUsageError):
        door.get_block_placeholder()
    with test_harness():
        document_id = door.save("saved")
    assert door.model_dump(context=references) == {"$ref": {"block_document_id": str(document_id)}}
    assert door.get_block_placeholder() == "prefect.blocks.front-door.saved"


def test_a_class_of_blocks_is_told_from_others() -> None:
    assert Block.is_block_class(Door)
    assert not Block.is_block_class(list[Door])
    assert not Block.is_block_class(Door())
