"""Methods for sync and async callers alike, written once."""

from __future__ import annotations

from typing import Any, ParamSpec, TypeVar

from orchestration.sdk.awaiting import awaited, dispatch, either
from orchestration.sdk.tasks import Task

P = ParamSpec("P")
R = TypeVar("R")


class EitherTask(Task[P, R]):
    """A task for both kinds of callers; in async code it runs once in a worker thread, awaited or not."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task here and now; its result, or in async code an awaitable of it."""
        return dispatch(super().__call__, *args, **kwargs)


__all__ = ["EitherTask", "awaited", "either"]
