"""What a block shows of itself, and what it hides."""

import traceback
from typing import Any

import pytest
from pydantic import Field, SecretStr, ValidationError

from blocks.aws import AwsCredentials, MinIOCredentials, S3Bucket
from orchestration.backend.clock import new_id
from orchestration.sdk.block_model import revealed
from orchestration.sdk.blocks import Block
from orchestration.sdk.logs import redact


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


def test_a_block_does_not_show_its_secrets() -> None:
    door = Door(code=SecretStr("door-secret"))
    shown = [repr(door), str(door), door.model_dump_json(), str(door.model_dump()), str(door.model_dump(mode="json"))]
    assert [text for text in shown if "door-secret" in text] == []


def test_a_block_reveals_its_secrets_when_asked() -> None:
    bucket = S3Bucket(
        bucket_name="b",
        credentials=MinIOCredentials(minio_root_user="u", minio_root_password=SecretStr("revealed-one")),
    )
    assert revealed(bucket)["credentials"]["minio_root_password"] == "revealed-one"


def test_a_session_token_is_hidden_though_its_field_is_plain() -> None:
    assert "token-to-hide" not in repr(AwsCredentials(aws_session_token="token-to-hide"))
    assert redact("token-to-hide") == "********"


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


def test_what_a_dump_says_beside_the_values_is_no_value() -> None:
    dumped = Door(width=3).model_dump()
    assert dumped["block_type_slug"] == "front-door"
    again = Door.model_validate({**dumped, "_block_document_id": str(new_id()), "_block_document_name": "d"})
    assert again.model_extra == {}
    assert again._block_document_id is None


def test_what_the_class_has_no_field_for_is_not_shown() -> None:
    assert "lost-secret" not in repr(Door.model_validate({"lost": "lost-secret"}))


def test_initialization_happens_once() -> None:
    assert Door(opened=[]).opened == ["ready"]
    assert Door.model_validate({"opened": []}).opened == ["ready"]


def test_capabilities_are_those_of_the_bases_too() -> None:
    assert GardenDoor.get_block_capabilities() == {"open", "close"}


def test_a_block_may_hold_what_json_cannot() -> None:
    class Box(Block):
        content: Any = None

    thing = object()
    assert Box(content=thing).content is thing
