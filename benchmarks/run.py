"""All benchmarks in turn: a table on a terminal, a line of JSON each in a pipe, or the page ``docs/benchmarks.md``.

``PEER_PYTHON`` names an interpreter with Prefect, which then takes part.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.common import Options, add_options, options_of
from benchmarks.report import claim_document
from benchmarks.table import page, terminal_heading, terminal_lines

BENCHMARKS = (
    "script_start", "import_cost", "cli_start", "called_task", "submitted_task", "fib_flow", "many_tasks",
    "big_argument", "harness", "server_start", "server_script", "server_task", "server_logs", "worker_latency",
    "worker_load", "scheduler_tick", "pages", "duration_model",
)  # fmt: skip


def main() -> None:
    """Measure, or read what was measured, and show it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    add_options(parser)
    parser.add_argument("--markdown", action="store_true", help="print the page docs/benchmarks.md")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing; show the lines of JSON in FILE")
    given = parser.parse_args()
    documents = read(given.read) if given.read else measured(options_of(given))
    if given.markdown:
        print(page(list(documents)), end="")
    else:
        show(documents, as_table=sys.stdout.isatty())


def measured(options: Options) -> Iterator[dict[str, Any]]:
    """What the benchmarks say, one after the other."""
    for name in BENCHMARKS:
        print(f"measuring {name} ...", file=sys.stderr, end="\r" if sys.stderr.isatty() else "\n", flush=True)
        if measures := import_module(f"benchmarks.{name}").measure(options):
            yield claim_document(name, measures, options)


def read(path: Path) -> list[dict[str, Any]]:
    """What an earlier call printed into a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def show(documents: Iterable[dict[str, Any]], as_table: bool) -> None:
    """Print each as it comes."""
    if as_table:
        print(terminal_heading())
    for document in documents:
        for line in terminal_lines(document) if as_table else [json.dumps(document)]:
            print(line, flush=True)


if __name__ == "__main__":
    main()
