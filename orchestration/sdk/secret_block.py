"""``Secret``: one secret value, kept under a name."""

from __future__ import annotations

import json
from typing import Annotated, Any, Generic, TypeVar

import pydantic
from pydantic import Field, JsonValue, SecretStr, StrictStr

from orchestration.sdk.blocks import Block

T = TypeVar("T", bound=Annotated[StrictStr, Field(title="string")] | Annotated[JsonValue, Field(title="JSON")])


class Secret(Block, Generic[T]):
    """A secret text or JSON value."""

    _logo_url = "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9/assets/block-logos/secret.png"
    _documentation_url = "https://docs.prefect.io/latest/develop/blocks"
    # Part of the schema's checksum, and so Prefect's to the letter.
    _description = (
        "A block that represents a secret value. The value stored in this block will be obfuscated "
        "when this block is viewed or edited in the UI."
    )

    value: SecretStr | pydantic.Secret[T] = Field(
        default=..., description="A value that should be kept secret.",
        examples=["sk-1234567890", {"username": "johndoe", "password": "s3cr3t"}],
        json_schema_extra={"writeOnly": True, "format": "password"},
    )

    def get(self) -> Any:
        """The value; a text that holds JSON is read as JSON."""
        value = self.value.get_secret_value()
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError:
            return value
