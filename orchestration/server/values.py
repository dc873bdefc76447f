"""Kinds of values in requests, checked so far that no store can choke on them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from orchestration.domain.schemas.wire import Document

MOST_VALUES = 10_000
"""Values that a filter may list; a statement has room for three times as many."""
MOST_PATTERNS = 100
"""Tags, beginnings and patterns that a filter may list; each is a condition of its own."""


def _in_utc(moment: datetime) -> datetime:
    """A time without a zone is UTC, as with Prefect."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("is out of the range of dates") from None


Moment = Annotated[datetime, AfterValidator(_in_utc)]
Whole = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
"""A number that fits a column."""
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Name = Annotated[str, Field(pattern=r"^[^/%&><]+$", min_length=1)]
"""What may stand in an address."""
Labels = Annotated[
    dict[str, bool | int | float | str],
    BeforeValidator(lambda value: {} if value is None else value),
    Field(default_factory=dict),
]
Tags = Annotated[list[str], Field(default_factory=list)]
Mapped = Annotated[dict[str, Any], Field(default_factory=dict)]
"""A JSON object, empty unless it is given."""


class Body(BaseModel):
    """What a request may say; a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid")

    def given(self) -> Document:
        """The fields that the request names, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)

    def whole(self) -> Document:
        """All fields, as JSON; those that were not named have their defaults."""
        return self.model_dump(mode="json", by_alias=True)


class Lenient(Body):
    """What a request may say; fields that are not known are left out, and so are those that are null."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given
