"""Programs whose runs are kept on a server: each contender's on one of its own kind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common import BARE, Contender, Figures, Options, Samples, compare
from benchmarks.serving import serving


def compare_served(options: Options, run: Callable[[Contender, Path], Figures]) -> Samples:
    """Let the contenders run in turn, each against a server that stays up; bare Python needs none."""
    with TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as folder, ExitStack() as servers:
        contenders = []
        for each in options.contenders():
            if each.name != BARE:
                server = servers.enter_context(serving(each, Path(folder) / each.name))
                each = replace(each, api_url=server.api_url)  # noqa: PLW2901 - the same contender, now with an address
            contenders.append(each)
        return compare(options, contenders, run)
