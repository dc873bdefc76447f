"""How long a flow takes to log 20,000 lines, all of which are on the server when it returns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.request import Request, urlopen

from benchmarks.common import BARE, OURS, PEER, Contender, Figures, Options, run_program
from benchmarks.report import Measure, main
from benchmarks.served import compare_served

LINES = 20_000
PAGE = 200


def measure(options: Options) -> Sequence[Measure]:
    """Seconds for 20,000 lines; a line of ours that is not there afterwards ends the benchmark."""
    samples = compare_served(options, _run)
    return [
        Measure(
            what="20,000 log lines of a flow against a server, none lost",
            unit="s",
            ours=samples.of(OURS, "flow_seconds"),
            peer=samples.of(PEER, "flow_seconds"),
            at_most=1.0,
        )
    ]


def _run(contender: Contender, home: Path) -> Figures:
    if contender.name == BARE:
        return {}
    figures = run_program(contender, home, "logs.py", LINES)
    if contender.name == OURS and contender.api_url is not None:
        found = _found(contender.api_url, figures["flow_run_id"])
        if found != LINES:
            raise SystemExit(f"Of {LINES} lines {found} are on the server.")
    return {"flow_seconds": figures["flow_seconds"]}


def _found(api_url: str, flow_run_id: str) -> int:
    """How many different numbered lines of a run the server has."""
    seen: set[str] = set()
    for offset in range(0, 2 * LINES, PAGE):
        asked = {"logs": {"flow_run_id": {"any_": [flow_run_id]}}, "limit": PAGE, "offset": offset}
        body, headers = json.dumps(asked).encode(), {"Content-Type": "application/json"}
        with urlopen(Request(f"{api_url}/logs/filter", body, headers)) as answer:  # noqa: S310 - on this machine
            page = json.load(answer)
        seen.update(line["message"] for line in page if line["message"].startswith("line "))
        if len(page) < PAGE:
            break
    return len(seen)


if __name__ == "__main__":
    main("server_logs", measure)
