"""``log_prints``: what a run prints becomes lines of its log."""

from __future__ import annotations

import builtins
import io
import sys
from typing import Any

from orchestration.domain.settings import Settings
from orchestration.sdk.context import FLOW_RUN, TASK_RUN, FlowRunContext
from orchestration.sdk.logs import get_run_logger

_print = builtins.print


def are_logged(decorated: Any, around: FlowRunContext | None, settings: Settings) -> bool:
    """Whether what a flow or task prints is logged: as it says, else the flow around it, else the settings."""
    asked = decorated.log_prints
    if asked is None:
        asked = around.log_prints if around is not None else settings.log_prints
    if asked:
        catch_prints()
    return bool(asked)


def catch_prints() -> None:
    """Put ``print`` through ``print_or_log`` from now on; safe to call again."""
    builtins.print = print_or_log


def print_or_log(*args: Any, **kwargs: Any) -> None:
    """Log what is printed to standard output or error inside a run with ``log_prints``; print everything else."""
    context = TASK_RUN.get() or FLOW_RUN.get()
    if context is None or not context.log_prints or kwargs.get("file") not in (None, sys.stdout, sys.stderr):
        _print(*args, **kwargs)
        return
    buffer = io.StringIO()
    _print(*args, sep=kwargs.get("sep"), end="", file=buffer)
    get_run_logger().info("%s", buffer.getvalue())
