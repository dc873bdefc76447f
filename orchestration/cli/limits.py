"""What the commands of tag limits and of named limits share: one list of limits, told apart by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from orchestration.backend.port import Backend
from orchestration.cli.kinds import Kind
from orchestration.domain.schemas.wire import Document, plain

TAG = "tag:"
"""How the name of a limit on a tag begins, here as with Prefect."""


class Limits(Kind):
    """Concurrency limits, those on tags by the tag."""

    def found(self, backend: Backend, where: Mapping[str, Any], limit: int | None, sort: str | None) -> list[Document]:
        """The limits of this kind by name."""
        all_limits = [plain(asdict(each)) for each in backend.concurrency_limits()]
        ours = [each for each in all_limits if each["name"].startswith(TAG) == (self.key == "tag")]
        return [{**each, "tag": each["name"].removeprefix(TAG)} for each in ours][:limit]

    def one(self, backend: Backend, text: str, pool: str | None = None) -> Document:
        """The limit of that name, or id."""
        all_limits = self.found(backend, {}, None, None)
        return next((each for each in all_limits if text in (each[self.key], each["id"])), None) or self.missing(text)

    def change(self, backend: Backend, document: Document, changes: Mapping[str, Any]) -> None:
        """Give one another number of slots, or another decay, or let it apply or not."""
        new = {**document, **changes}
        backend.set_concurrency_limit(new["name"], new["limit"], new["slot_decay_per_second"], new["active"])

    def delete(self, backend: Backend, document: Document) -> None:
        """Remove one."""
        backend.delete_concurrency_limit(document["name"])
