"""A server: seconds from its call to the first healthy answer, and its memory when idle and after 1,000 runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import OURS, PEER, Contender, Figures, Options, compare
from benchmarks.report import Measure, main
from benchmarks.serving import Server, ask, serving

RUNS = 1_000


def measure(options: Options) -> Sequence[Measure]:
    """Start to health with an empty database; megabytes idle and after 1,000 runs."""
    contenders = [contender for contender in options.contenders() if contender.name in (OURS, PEER)]
    samples = compare(options, contenders, _run, warm_up=True)

    def line(what: str, unit: str, figure: str, at_most: float) -> Measure:
        ours, peer = samples.of(OURS, figure), samples.of(PEER, figure)
        return Measure(what=what, unit=unit, ours=ours, peer=peer, at_most=at_most)

    return [
        line("server start to first healthy answer, empty database", "s", "start", 0.9),
        line("server, resident memory when idle", "MB", "idle", 90),
        line("server, resident memory after 1,000 runs", "MB", "used", 110),
    ]


def _run(contender: Contender, home: Path) -> Figures:
    with serving(contender, home) as server:
        idle = server.resident()
        _runs(server)
        return {"start": server.seconds_to_start, "idle": idle, "used": server.resident()}


def _runs(server: Server) -> None:
    """What the clients of 1,000 flow runs ask of a server."""
    with server.connection() as connection:
        _, flow = ask(connection, "flows/", {"name": "main"})
        for number in range(RUNS):
            wanted = {"flow_id": flow["id"], "name": f"run-{number}", "state": {"type": "PENDING"}}
            _, run = ask(connection, "flow_runs/", wanted)
            for state in ("RUNNING", "COMPLETED"):
                ask(connection, f"flow_runs/{run['id']}/set_state", {"state": {"type": state}})
        ask(connection, "flow_runs/filter", {"limit": 200})


if __name__ == "__main__":
    main("server_start", measure)
